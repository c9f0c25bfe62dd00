/**
 * The kernel's list of mounts, /proc/self/mountinfo, so that a mount can be found without touching it: a
 * look at a mount point whose daemon hangs would hang as well. Paths are bytes in `latin1`, as everywhere
 * where the encoding of names is not ours to know.
 */
import { readFileSync } from 'node:fs';

export interface MountEntry {
  /** MAJ:MIN of the mounted filesystem, also the name of its directory in /sys/class/bdi. */
  device: string;
  /** The directory of that filesystem that is seen here; `/` unless it is a bind mount. */
  root: string;
  mountpoint: string;
  type: string;
  source: string;
  /** Of this mount. */
  options: string[];
  /** Of the filesystem, the same wherever it is mounted. */
  superOptions: string[];
}

export const CORAL_REEF_TYPE = 'fuse.coral-reef';

export function readMounts(path = '/proc/self/mountinfo'): MountEntry[] {
  return parseMountinfo(readFileSync(path, 'latin1'));
}

/** Format: proc(5). Fields after the `-` are type, source, options of the superblock. */
export function parseMountinfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    if (dash < 0) continue;
    entries.push({
      device: fields[2],
      root: unescapeOctal(fields[3]),
      mountpoint: unescapeOctal(fields[4]),
      options: fields[5].split(','),
      type: unescapeOctal(fields[dash + 1]),
      source: unescapeOctal(fields[dash + 2]),
      superOptions: (fields[dash + 3] ?? '').split(','),
    });
  }
  return entries;
}

export function isCoralReef(entry: MountEntry | undefined): entry is MountEntry {
  return entry?.type === CORAL_REEF_TYPE;
}

/** What is mounted exactly at `mountpoint`, the topmost where several lie over each other. */
export function mountAt(
  entries: readonly MountEntry[],
  mountpoint: string,
): MountEntry | undefined {
  return entries.findLast((entry) => entry.mountpoint === mountpoint);
}

/** The mount that an absolute path without symbolic links lies on. */
export function mountOf(entries: readonly MountEntry[], path: string): MountEntry | undefined {
  let best: MountEntry | undefined;
  for (const entry of entries) {
    const covers = isInside(path, entry.mountpoint);
    if (covers && entry.mountpoint.length >= (best?.mountpoint.length ?? 0)) best = entry;
  }
  return best;
}

/** `path` as the mounted filesystem knows it: '/' or '/a/b' from its own root. */
export function pathOnMount(entry: MountEntry, path: string): string {
  const below = path.slice(entry.mountpoint === '/' ? 0 : entry.mountpoint.length);
  const root = entry.root === '/' ? '' : entry.root;
  return root + below.replace(/\/$/, '') || '/';
}

/** True for the directory itself as well. */
export function isInside(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}

/** Text of bytes in latin1, for people. */
export function shown(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}

/** Bytes in latin1 of a text. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  );
}
