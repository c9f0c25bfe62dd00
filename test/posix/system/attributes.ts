/** statx, statfs, times, modes, owners. */
import { AT, AT_FDCWD, bytesOf, call, i64, type Path } from './calls.js';

export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
} as const;

/** Nanoseconds since the epoch, exact. */
export type Nanoseconds = bigint;

export interface Stat {
  mask: number;
  blockSize: number;
  attributes: bigint;
  attributesMask: bigint;
  nlink: number;
  uid: number;
  gid: number;
  /** With the file type. */
  mode: number;
  ino: bigint;
  size: number;
  /** Units of 512 bytes. */
  blocks: number;
  atime: Nanoseconds;
  btime: Nanoseconds;
  ctime: Nanoseconds;
  mtime: Nanoseconds;
  rdevMajor: number;
  rdevMinor: number;
  devMajor: number;
  devMinor: number;
  mountId: bigint;
}

/** STATX_* masks. */
export const STATX = { BASIC: 0x7ff, BTIME: 0x800, MNT_ID: 0x1000, ALL: 0x1fff } as const;

const FORCE_SYNC = 0x2000;

export function statxAt(fd: number, path: Path, flags = 0): Stat {
  const bytes = Buffer.alloc(256);
  call('statx', fd, bytesOf(path), flags, STATX.ALL, bytes);
  return decodeStatx(bytes);
}

export const stat = (path: Path): Stat => statxAt(AT_FDCWD, path);
export const lstat = (path: Path): Stat => statxAt(AT_FDCWD, path, AT.SYMLINK_NOFOLLOW);
export const fstat = (fd: number): Stat => statxAt(fd, '', AT.EMPTY_PATH);
/** What the filesystem says, not what the kernel remembers. */
export const freshStat = (path: Path): Stat =>
  statxAt(AT_FDCWD, path, AT.SYMLINK_NOFOLLOW | FORCE_SYNC);

function decodeStatx(b: Buffer): Stat {
  const time = (at: number): bigint =>
    b.readBigInt64LE(at) * 1_000_000_000n + BigInt(b.readUInt32LE(at + 8));
  return {
    mask: b.readUInt32LE(0),
    blockSize: b.readUInt32LE(4),
    attributes: b.readBigUInt64LE(8),
    nlink: b.readUInt32LE(16),
    uid: b.readUInt32LE(20),
    gid: b.readUInt32LE(24),
    mode: b.readUInt16LE(28),
    ino: b.readBigUInt64LE(32),
    size: Number(b.readBigUInt64LE(40)),
    blocks: Number(b.readBigUInt64LE(48)),
    attributesMask: b.readBigUInt64LE(56),
    atime: time(64),
    btime: time(80),
    ctime: time(96),
    mtime: time(112),
    rdevMajor: b.readUInt32LE(128),
    rdevMinor: b.readUInt32LE(132),
    devMajor: b.readUInt32LE(136),
    devMinor: b.readUInt32LE(140),
    mountId: b.readBigUInt64LE(144),
  };
}

/** Permission and set-id bits. */
export const modeOf = (path: Path): number => lstat(path).mode & 0o7777;
export const typeOf = (path: Path): number => lstat(path).mode & S.IFMT;

export interface Statfs {
  type: number;
  blockSize: number;
  blocks: number;
  freeBlocks: number;
  availableBlocks: number;
  files: number;
  freeFiles: number;
  nameLength: number;
  fragmentSize: number;
  flags: number;
}

export function statfs(path: Path): Statfs {
  const b = Buffer.alloc(120);
  call('statfs', bytesOf(path), b);
  const word = (index: number): number => Number(b.readBigUInt64LE(index * 8));
  return {
    type: word(0),
    blockSize: word(1),
    blocks: word(2),
    freeBlocks: word(3),
    availableBlocks: word(4),
    files: word(5),
    freeFiles: word(6),
    nameLength: word(8),
    fragmentSize: word(9),
    flags: word(10),
  };
}

export const chmod = (path: Path, mode: number): void =>
  void call('fchmodat', AT_FDCWD, bytesOf(path), mode);
export const fchmod = (fd: number, mode: number): void => void call('fchmod', fd, mode);
/** -1 leaves the owner or the group as it is. */
export const chown = (path: Path, uid: number, gid: number): void =>
  void call('fchownat', AT_FDCWD, bytesOf(path), uid, gid, 0);
export const lchown = (path: Path, uid: number, gid: number): void =>
  void call('fchownat', AT_FDCWD, bytesOf(path), uid, gid, AT.SYMLINK_NOFOLLOW);
export const fchown = (fd: number, uid: number, gid: number): void =>
  void call('fchown', fd, uid, gid);

export const F_OK = 0;
export const X_OK = 1;
export const W_OK = 2;
export const R_OK = 4;
/** With the effective ids. */
export const access = (path: Path, wanted: number): void =>
  void call('faccessat2', AT_FDCWD, bytesOf(path), wanted, AT.EACCESS);

/** utimensat's marks in place of nanoseconds. */
export const NOW = 'now';
export const OMIT = 'omit';
export type SetTime = Nanoseconds | typeof NOW | typeof OMIT;

function timespec(time: SetTime): Buffer {
  if (time === NOW) return i64(0, 0x3fffffff);
  if (time === OMIT) return i64(0, 0x3ffffffe);
  const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return i64((time - nanoseconds) / 1_000_000_000n, nanoseconds);
}

const timespecs = (atime: SetTime, mtime: SetTime): Buffer =>
  Buffer.concat([timespec(atime), timespec(mtime)]);

export const utimens = (path: Path, atime: SetTime, mtime: SetTime): void =>
  void call('utimensat', AT_FDCWD, bytesOf(path), timespecs(atime, mtime), 0);
export const lutimens = (path: Path, atime: SetTime, mtime: SetTime): void =>
  void call('utimensat', AT_FDCWD, bytesOf(path), timespecs(atime, mtime), AT.SYMLINK_NOFOLLOW);
export const futimens = (fd: number, atime: SetTime, mtime: SetTime): void =>
  void call('utimensat', fd, null, timespecs(atime, mtime), 0);
/** Both to now by a null pointer: whoever may write may do so. */
export const touch = (path: Path): void => void call('utimensat', AT_FDCWD, bytesOf(path), null, 0);

export const umask = (mask: number): number => call('umask', mask);

/** Runs with another umask; synchronous. */
export function withUmask<T>(mask: number, work: () => T): T {
  const before = umask(mask);
  try {
    return work();
  } finally {
    umask(before);
  }
}
