/** What changes directories, and reading them. */
import { AT, AT_FDCWD, bytesOf, call, i64, u32, type Path } from './calls.js';
import { basename, dirname } from 'node:path';
import { S } from './attributes.js';

const O_PATH = 0o10000000;

export const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

export const rename = (from: Path, to: Path, flags = 0): void =>
  void call('renameat2', AT_FDCWD, bytesOf(from), AT_FDCWD, bytesOf(to), flags);
/** Links a symbolic link itself, as link(2) does. */
export const link = (from: Path, to: Path): void =>
  void call('linkat', AT_FDCWD, bytesOf(from), AT_FDCWD, bytesOf(to), 0);
export const linkAt = (fd: number, from: Path, to: Path, flags: number): void =>
  void call('linkat', fd, bytesOf(from), AT_FDCWD, bytesOf(to), flags);
/** Gives a file without a name one, through /proc. */
export const linkFd = (fd: number, to: Path): void =>
  linkAt(AT_FDCWD, `/proc/self/fd/${fd}`, to, AT.SYMLINK_FOLLOW);
export const symlink = (target: Path, path: Path): void =>
  void call('symlinkat', bytesOf(target), AT_FDCWD, bytesOf(path));
export const mkdir = (path: Path, mode = 0o755): void =>
  void call('mkdirat', AT_FDCWD, bytesOf(path), mode);
export const rmdir = (path: Path): void =>
  void call('unlinkat', AT_FDCWD, bytesOf(path), AT.REMOVEDIR);
export const unlink = (path: Path): void => void call('unlinkat', AT_FDCWD, bytesOf(path), 0);

/** `mode` with the file type. */
export function mknod(path: Path, mode: number, major = 0, minor = 0): void {
  const device = ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12);
  call('mknodat', AT_FDCWD, bytesOf(path), mode, device >>> 0);
}
export const mkfifo = (path: Path, mode = 0o644): void => mknod(path, S.IFIFO | mode);

export function readlink(path: Path): Buffer {
  const target = Buffer.alloc(8192);
  const length = call('readlinkat', AT_FDCWD, bytesOf(path), target, target.length);
  return target.subarray(0, length);
}

/** A socket with a name; the caller closes it. An address is short, so the directory goes by descriptor. */
export function bindSocket(path: string): number {
  const directory = call('openat', AT_FDCWD, bytesOf(dirname(path)), O_PATH, 0);
  const fd = call('socket', 1, 1, 0);
  try {
    const short = bytesOf(`/proc/self/fd/${directory}/${basename(path)}`);
    const address = Buffer.concat([Buffer.from([1, 0]), short]);
    call('bind', fd, address, address.length);
  } catch (error) {
    call('close', fd);
    throw error;
  } finally {
    call('close', directory);
  }
  return fd;
}

export interface DirectoryEntry {
  ino: bigint;
  /** Where the next entry begins. */
  offset: bigint;
  /** DT_*: the file type shifted right by 12. */
  type: number;
  name: string;
}

/** One call of getdents64; names as latin1, `.` and `..` included. Empty at the end. */
export function getdents(fd: number, room = 32_768): DirectoryEntry[] {
  const b = Buffer.alloc(room);
  const length = call('getdents64', fd, b, room);
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < length; at += b.readUInt16LE(at + 16)) {
    const end = b.indexOf(0, at + 19);
    entries.push({
      ino: b.readBigUInt64LE(at),
      offset: b.readBigInt64LE(at + 8),
      type: b[at + 18],
      name: b.toString('latin1', at + 19, end),
    });
  }
  return entries;
}

/** From where the descriptor stands to the end. */
export function restOfDirectory(fd: number, room?: number): DirectoryEntry[] {
  const all: DirectoryEntry[] = [];
  for (;;) {
    const some = getdents(fd, room);
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** telldir and seekdir work with these. */
export const seekDirectory = (fd: number, offset: bigint): void =>
  void call('lseek', fd, offset, 0);

export interface FileHandle {
  type: number;
  bytes: Buffer;
}

const MAX_HANDLE_BYTES = 128;

export function nameToHandle(path: Path): FileHandle {
  const handle = Buffer.concat([u32(MAX_HANDLE_BYTES, 0), Buffer.alloc(MAX_HANDLE_BYTES)]);
  call('name_to_handle_at', AT_FDCWD, bytesOf(path), handle, i64(0), 0);
  const length = handle.readUInt32LE(0);
  return { type: handle.readInt32LE(4), bytes: Buffer.from(handle.subarray(8, 8 + length)) };
}

/** `mountFd` is any descriptor of the filesystem. */
export function openByHandle(mountFd: number, handle: FileHandle, flags: number): number {
  const header = u32(handle.bytes.length, handle.type);
  return call('open_by_handle_at', mountFd, Buffer.concat([header, handle.bytes]), flags);
}
