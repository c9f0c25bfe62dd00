/** Finds the mount that a path lies on, and which mount is meant where no path says. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import { CoralError, ExitCode, errnoName, reasonOf } from '../config/errors.js';
import {
  bytesOf,
  isCoralReef,
  mountAt,
  mountOf,
  pathOnMount,
  readMounts,
  shown,
  type MountEntry,
} from '../config/mountinfo.js';
import { volumeDirectory } from '../daemon/mount-request.js';

export interface Mounted {
  mountpoint: string;
  /** Directory of the volume. */
  volume: string;
}

export interface Located extends Mounted {
  /** Absolute, as the person named it. */
  path: string;
  /** Below the root of the volume, '/a/b', bytes in latin1. */
  below: string;
}

/**
 * Follows symbolic links: the file that a link leads to is what has a tier. A link that leads nowhere
 * stands for itself.
 * @throws CoralError `notMounted` where the path lies on no Coral Reef mount
 */
export function locatePath(typed: string): Located {
  const named = absolute(typedBytes(typed));
  const path = shown(named);
  const real = realBytes(named);
  const entry = mountOf(readMounts(), real);
  if (!isCoralReef(entry)) throw outsideAnyMount(path);
  return { ...mounted(entry), path, below: pathOnMount(entry, real) };
}

/** Something that is taken as it is: where its last step is a link, that is meant. */
export interface EntryPlace {
  /** Absolute, as the person named it. */
  path: string;
  /** Where it is, bytes in latin1; no step is a link but the last one. */
  real: string;
  /** Its last step as the person named it, bytes in latin1. */
  name: string;
}

/** Whether there is something is not looked at. With `follow` the last step is followed as well. */
export function placeOf(typed: string, follow: boolean): EntryPlace {
  const named = absolute(typedBytes(typed));
  const real = follow ? realBytes(named) : parentResolved(named);
  return { path: shown(named), real, name: named.slice(named.lastIndexOf('/') + 1) };
}

/**
 * The same below a mount. A link that lies on no mount stands for what it leads to.
 * @throws CoralError `notMounted` where the path lies on no Coral Reef mount
 */
export function placeOnMount(typed: string, follow: boolean): EntryPlace {
  const mounts = readMounts();
  const places = [placeOf(typed, follow), placeOf(typed, true)];
  const place = places.find(({ real }) => isCoralReef(mountOf(mounts, real)));
  if (place === undefined) throw outsideAnyMount(places[0].path);
  return place;
}

/** A path that may lie anywhere, without symbolic links, bytes in latin1. @throws CoralError */
export function realPath(typed: string): string {
  return realBytes(absolute(typedBytes(typed)));
}

/** `typed`, or CORAL_REEF_MOUNTPOINT, or the only mount there is. @throws CoralError */
export function locateMount(typed: string | undefined): Mounted {
  const named = typed ?? process.env['CORAL_REEF_MOUNTPOINT'];
  const all = readMounts().filter(isCoralReef);
  if (named !== undefined && named !== '') return namedMount(named);
  if (all.length === 1) return mounted(all[0]);
  if (all.length === 0) throw nothingMounted();
  const list = all.map((entry) => shown(entry.mountpoint)).join(', ');
  throw new CoralError(ExitCode.usage, `several volumes are mounted: name one of ${list}`);
}

/** The mount at a mount point, without touching it. */
export function namedMount(typed: string): Mounted {
  const path = resolve(typed);
  const entries = readMounts();
  const real = parentResolved(bytesOf(path));
  const entry = mountAt(entries, bytesOf(path)) ?? mountAt(entries, real);
  if (isCoralReef(entry)) return mounted(entry);
  const around = mountOf(entries, real);
  if (isCoralReef(around)) return mounted(around);
  throw outsideAnyMount(path);
}

/** Where a mount point or the directory of a volume may be given. Undefined for that of a volume that is not mounted. */
export function mountFor(place: string | undefined): Mounted | undefined {
  if (place === undefined || !existsSync(join(place, 'volume.json'))) return locateMount(place);
  const volume = volumeDirectory(place);
  const entry = readMounts().find((one) => isCoralReef(one) && one.source === bytesOf(volume));
  return entry && mounted(entry);
}

function mounted(entry: MountEntry): Mounted {
  return { mountpoint: shown(entry.mountpoint), volume: shown(entry.source) };
}

function outsideAnyMount(path: string): CoralError {
  const all = readMounts().filter(isCoralReef);
  if (all.length === 0) return nothingMounted(path);
  const list = all.map((entry) => shown(entry.mountpoint)).join(', ');
  return new CoralError(
    ExitCode.notMounted,
    `${path}: it is on no Coral Reef mount. Mounted here: ${list}`,
  );
}

function nothingMounted(path?: string): CoralError {
  const what = path === undefined ? '' : `${path}: it is on no Coral Reef mount. `;
  return new CoralError(
    ExitCode.notMounted,
    `${what}No volume is mounted. Mount one: coral-reef mount VOLUME MOUNTPOINT`,
  );
}

/** Names need not be UTF-8; Node decodes arguments as if they were, so the kernel is asked again. */
function typedBytes(typed: string): string {
  if (!typed.includes('\ufffd')) return bytesOf(typed);
  const raw = readFileSync('/proc/self/cmdline', 'latin1').split('\0');
  return raw.find((bytes) => shown(bytes) === typed) ?? bytesOf(typed);
}

/** Like `resolve`, on bytes. */
function absolute(bytes: string): string {
  const path = posix.normalize(
    bytes.startsWith('/') ? bytes : `${bytesOf(process.cwd())}/${bytes}`,
  );
  return path === '/' ? path : path.replace(/\/$/, '');
}

/** The path without symbolic links; what does not exist at its end stays as it is. */
function realBytes(path: string): string {
  try {
    return realpathSync.native(buffer(path), { encoding: 'buffer' }).toString('latin1');
  } catch (error) {
    const code = errnoName(error);
    if (code === 'ELOOP' || code === 'EACCES') {
      throw new CoralError(ExitCode.failed, `${shown(path)}: ${reasonOf(error)}`, { cause: error });
    }
    return path === '/' ? path : parentResolved(path);
  }
}

/** Never looks at the last step of the path itself. */
function parentResolved(path: string): string {
  if (path === '/') return path;
  const slash = path.lastIndexOf('/');
  const parent = realBytes(path.slice(0, slash) || '/');
  return `${parent === '/' ? '' : parent}${path.slice(slash)}`;
}

function buffer(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
