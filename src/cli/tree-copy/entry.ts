/** What is copied, and where to. Paths are bytes in latin1. */
import { Stat } from '../../native.js';

export interface Entry {
  source: string;
  target: string;
  /** Where it was found; undefined for what was named itself. */
  folder: Folder | undefined;
  /** As numbers of stat(2). */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  dev: number;
  ino: number;
  nlink: number;
  /** Whether attributes could be had: 0, or an errno. */
  errno: number;
}

export interface CopyTarget {
  verb: 'export' | 'import';
  directory: Entry;
  /** Its filesystem can't be synced as a whole: the data of each file is. */
  flush: boolean;
  /** Why a directory of the source is left out; undefined where it is not. Nothing is copied into itself. */
  refuses(directory: Entry): string | undefined;
}

/** A directory of which entries are being copied. */
export interface Folder {
  source: string;
  target: string;
  dev: number;
  /** As it was when it was found. */
  mode: number;
  uid: number;
  gid: number;
  /** Made by this copy: nothing can be in the way in it. */
  made: boolean;
  /** Entries that are not done yet, and one more while it is being listed. Its own times are set last. */
  open: number;
}

const S_IFMT = 0o170000;

/** The `index`th of what a native look at files gave. */
export function entryOf(
  stats: Float64Array,
  index: number,
  source: string,
  target: string,
  folder?: Folder,
): Entry {
  const at = index * Stat.length;
  const mode = stats[at + Stat.mode];
  return {
    source,
    target,
    folder,
    mode,
    uid: stats[at + Stat.uid],
    gid: stats[at + Stat.gid],
    size: stats[at + Stat.size],
    atimeSec: stats[at + Stat.atimeSec],
    atimeNsec: stats[at + Stat.atimeNsec],
    mtimeSec: stats[at + Stat.mtimeSec],
    mtimeNsec: stats[at + Stat.mtimeNsec],
    dev: stats[at + Stat.dev],
    ino: stats[at + Stat.ino],
    nlink: stats[at + Stat.nlink],
    errno: mode < 0 ? -mode : 0,
  };
}

export const isDirectory = ({ mode }: Entry): boolean => (mode & S_IFMT) === 0o040000;
export const isRegular = ({ mode }: Entry): boolean => (mode & S_IFMT) === 0o100000;

export const isOneInode = (one: Entry, other: Entry): boolean =>
  one.dev === other.dev && one.ino === other.ino;

/** An earlier copy made it: type, size and time agree. Some filesystems keep whole seconds only. */
export function isSame(original: Entry, copy: Entry): boolean {
  if ((original.mode & S_IFMT) !== (copy.mode & S_IFMT)) return false;
  if (isRegular(original) && original.size !== copy.size) return false;
  if (original.mtimeSec !== copy.mtimeSec) return false;
  return original.mtimeNsec === copy.mtimeNsec || copy.mtimeNsec === 0;
}

export const join = (folder: string, name: string): string =>
  folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`;

export const pathBuffer = (path: string): Buffer => Buffer.from(path, 'latin1');
