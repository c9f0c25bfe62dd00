/** Checks before anything is written or mounted: each refusal is one line that names the way out. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CoralError, ExitCode, errnoName, reasonOf, usageError } from '../config/errors.js';
import {
  bytesOf,
  isCoralReef,
  isInside,
  mountAt,
  readMounts,
  shown,
  type MountEntry,
} from '../config/mountinfo.js';
import {
  DEFAULT_CONFIG_FILE,
  checkTierNames,
  loadSettings,
  type LoadedSettings,
} from '../config/settings.js';
import type { Settings } from '../config/types.js';
import { readVolume } from '../tiers/volume.js';
import type { VolumeConfig } from '../tiers/types.js';
import {
  badMountpoint,
  mountpointPath,
  volumeDirectory,
  type MountRequest,
} from './mount-request.js';

export interface MountPlan {
  /** Directory of the volume, absolute, without symbolic links. */
  directory: string;
  volume: VolumeConfig;
  mountpoint: string;
  /** Texts of `-o`, also of later remounts; `settings` were made from them. */
  options: readonly string[];
  settings: Settings;
  warnings: string[];
  /** A mount of this volume whose daemon may be gone; looked at once the lock is ours. */
  leftover: MountEntry | undefined;
}

/** @throws CoralError */
export async function planMount(request: MountRequest): Promise<MountPlan> {
  const directory = volumeDirectory(request.volume);
  const { options } = request;
  const { settings, warnings } = await settingsFor(directory, options);
  checkContexts(settings);
  const volume = await readVolume(directory);
  checkTierNames(
    settings,
    volume.tiers.map((tier) => tier.name),
  );
  const mountpoint = mountpointPath(request.mountpoint);
  const leftover = checkMountpoint(mountpoint, directory);
  checkApart(mountpoint, directory, volume, settings);
  return { directory, volume, mountpoint, options, settings, warnings, leftover };
}

/** Once the lock is ours: whoever had it may have changed the tiers since they were read. @throws CoralError */
export async function refuseIfChanged({
  directory,
  volume,
}: Pick<MountPlan, 'directory' | 'volume'>): Promise<void> {
  if (isDeepStrictEqual(await readVolume(directory), volume)) return;
  throw new CoralError(
    ExitCode.unusable,
    `${directory}: its tiers were changed while this waited for it. Try again`,
  );
}

/** What `options`, the environment and the volume's file say. @throws CoralError */
export function settingsFor(
  directory: string,
  options: readonly string[],
): Promise<LoadedSettings> {
  return loadSettings({
    options,
    environment: process.env,
    defaultConfigFile: join(directory, DEFAULT_CONFIG_FILE),
    isRoot: process.geteuid?.() === 0,
  });
}

/** mount(8) drops these itself where there is no SELinux; the kernel's refusal would not say why. */
function checkContexts({ mount }: Settings): void {
  if (mount.contexts.length === 0 || existsSync('/sys/fs/selinux/enforce')) return;
  throw usageError(`-o ${mount.contexts[0]}: this machine runs without SELinux. Leave it out`);
}

/** @returns a mount of the same volume that lies there, which may be a leftover */
function checkMountpoint(path: string, directory: string): MountEntry | undefined {
  const there = mountAt(readMounts(), bytesOf(path));
  if (isCoralReef(there)) {
    if (there.source === bytesOf(directory)) return there;
    const other = shown(there.source);
    throw badMountpoint(
      path,
      `volume ${other} is mounted there`,
      `Unmount it first: umount ${path}`,
    );
  }
  checkEmptyDirectory(path);
  return undefined;
}

function checkEmptyDirectory(path: string): void {
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    const remedy = {
      ENOENT: `Create it: mkdir -p ${path}`,
      ENOTDIR: 'Name an empty directory',
      ENOTCONN: `Take the dead mount away: fusermount3 -u ${path} (or umount -l ${path})`,
    }[errnoName(error) ?? ''];
    throw badMountpoint(path, reasonOf(error), remedy ?? 'Name an empty directory', error);
  }
  if (names.length === 0) return;
  const remedy = 'Files there would be hidden: name an empty directory, or move them away';
  throw badMountpoint(path, `it is not empty (${names[0]} is in it)`, remedy);
}

/** Volume, tiers and mount point must not contain one another: the daemon would wait for itself. */
function checkApart(
  mountpoint: string,
  directory: string,
  volume: VolumeConfig,
  settings: Settings,
): void {
  const places = volume.tiers.map((tier): [string, string] => [
    `tier ${tier.name}`,
    settings.tierDirectories[tier.name] ?? tier.path,
  ]);
  for (const [what, place] of [...places, ['the volume', directory] as const]) {
    const path = realOr(place);
    if (isInside(path, mountpoint)) {
      const why = `${what} (${path}) is inside it and would be hidden`;
      throw badMountpoint(mountpoint, why, 'Name another directory');
    }
    if (isInside(mountpoint, path)) {
      const why = `it is inside ${what} (${path})`;
      throw badMountpoint(mountpoint, why, 'Name a directory outside');
    }
  }
}

function realOr(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
