/**
 * The client's side of `mount -o remount`: mount(8) starts the mount helper for it as for a mount. The flags of
 * the mount are the kernel's, which only this process may set (the daemon must not look at its own mount
 * point); our own options and the read-only state are the daemon's.
 */
import { CoralError, ExitCode, errnoName, reasonOf, usageError } from '../config/errors.js';
import { bytesOf, isCoralReef, mountAt, readMounts, type MountEntry } from '../config/mountinfo.js';
import { MS, flagsOf, isIgnored, isStandard, withWords } from '../config/mount-options.js';
import { joinOptions, splitOptions } from '../config/option-list.js';
import { native } from '../native.js';
import { ask } from './client.js';
import type { RemountDocument } from './documents.js';
import { REMOUNT, mountpointPath, volumeDirectory, type MountRequest } from './mount-request.js';

/** These are set for good when the kernel mounts. */
const FIXED = /^(no)?allow_other$|^auto_unmount$|context=/;

/** @throws CoralError */
export async function remount(request: MountRequest): Promise<RemountDocument> {
  const directory = volumeDirectory(request.volume);
  const mountpoint = mountpointPath(request.mountpoint);
  const mount = mountedThere(mountpoint, directory);
  const { own, flags } = remountWords(request.options, mount);
  const readOnly = (flags & MS.RDONLY) !== 0;
  const tell = (args: object) =>
    ask(directory, mountpoint, REMOUNT, { options: '', ...args }) as Promise<RemountDocument>;
  const document = await tell({ options: own, ...(readOnly ? {} : { readOnly }) });
  try {
    if (flags !== flagsOf(mount)) native.remount(mountpoint, flags);
  } catch (error) {
    if (!readOnly && isReadOnly(mount)) await tell({ readOnly: true });
    throw refused(mountpoint, error);
  }
  // Only now are the kernel's flags known to be in force: access times go by them.
  const last = await tell(readOnly ? { readOnly, flags } : { flags });
  return { ...last, changed: document.changed };
}

function mountedThere(mountpoint: string, directory: string): MountEntry {
  const mount = mountAt(readMounts(), bytesOf(mountpoint));
  if (isCoralReef(mount) && mount.source === bytesOf(directory)) return mount;
  throw new CoralError(
    ExitCode.notMounted,
    `${mountpoint}: ${directory} is not mounted there, so it can't be remounted. ` +
      `Mount it: coral-reef mount ${directory} ${mountpoint}`,
  );
}

/**
 * mount(8) repeats the options that are in force, also those that only the kernel knows: what is in force
 * already is no request. @returns our own options as a text for `-o`, and the flags to set
 */
function remountWords(texts: readonly string[], mount: MountEntry) {
  const inForce = new Set(
    mount.superOptions.filter((word) => FIXED.test(word) || !isStandard(word)),
  );
  const words = texts
    .flatMap(splitOptions)
    .filter((word) => word !== REMOUNT && !inForce.has(word) && !isIgnored(word));
  const fixed = words.find((word) => FIXED.test(word));
  if (fixed !== undefined) {
    throw usageError(
      `-o remount: ${fixed} can't be changed while the volume is mounted. Unmount it, and mount it anew`,
    );
  }
  const own = joinOptions(words.filter((word) => !isStandard(word)));
  return { own, flags: withWords(flagsOf(mount), words.filter(isStandard)) };
}

const isReadOnly = (mount: MountEntry): boolean => (flagsOf(mount) & MS.RDONLY) !== 0;

function refused(mountpoint: string, error: unknown): CoralError {
  const remedy: Readonly<Record<string, string>> = {
    EBUSY: `files on it are open for writing. Close them (fuser -vm ${mountpoint} shows who has them)`,
    EPERM: 'only root may change how it is mounted. Ask with sudo',
  };
  const why = remedy[errnoName(error) ?? ''] ?? reasonOf(error);
  return new CoralError(ExitCode.failed, `${mountpoint}: it can't be remounted: ${why}`, {
    cause: error,
  });
}
