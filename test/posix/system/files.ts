/** Opening, reading, writing, and what works on descriptors. */
import { AT_FDCWD, bytesOf, call, i64, u32, type Path } from './calls.js';
import { constants } from 'node:fs';

export const O = {
  RDONLY: constants.O_RDONLY,
  WRONLY: constants.O_WRONLY,
  RDWR: constants.O_RDWR,
  CREAT: constants.O_CREAT,
  EXCL: constants.O_EXCL,
  TRUNC: constants.O_TRUNC,
  APPEND: constants.O_APPEND,
  NONBLOCK: constants.O_NONBLOCK,
  DSYNC: constants.O_DSYNC,
  SYNC: constants.O_SYNC,
  DIRECT: constants.O_DIRECT,
  DIRECTORY: constants.O_DIRECTORY,
  NOFOLLOW: constants.O_NOFOLLOW,
  NOATIME: constants.O_NOATIME,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | constants.O_DIRECTORY,
} as const;

export const open = (path: Path, flags: number, mode = 0o644): number =>
  call('openat', AT_FDCWD, bytesOf(path), flags | O.CLOEXEC, mode);
export const openAt = (fd: number, path: Path, flags: number, mode = 0o644): number =>
  call('openat', fd, bytesOf(path), flags | O.CLOEXEC, mode);
export const close = (fd: number): void => void call('close', fd);

/** Opens, works, closes; synchronous. */
export function withOpen<T>(path: Path, flags: number, work: (fd: number) => T, mode = 0o644): T {
  const fd = open(path, flags, mode);
  try {
    return work(fd);
  } finally {
    close(fd);
  }
}

/** A new file; with content where given. */
export function createFile(path: Path, content: string | Buffer = '', mode = 0o644): void {
  const write = (fd: number): unknown => (content.length > 0 ? pwrite(fd, content, 0) : 0);
  withOpen(path, O.CREAT | O.EXCL | O.WRONLY, write, mode);
}

/** @returns bytes written */
export function write(fd: number, content: string | Buffer): number {
  const bytes = Buffer.from(content as Buffer);
  return call('write', fd, bytes, bytes.length);
}
export function pwrite(fd: number, content: string | Buffer, offset: number): number {
  const bytes = Buffer.from(content as Buffer);
  return call('pwrite64', fd, bytes, bytes.length, offset);
}
export function read(fd: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, call('read', fd, bytes, length));
}
export function pread(fd: number, length: number, offset: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, call('pread64', fd, bytes, length, offset));
}

/** Memory for O_DIRECT: `length` bytes at an address that is a multiple of 4096. */
export function alignedBuffer(length: number): AlignedBuffer {
  const address = call('mmap', null, length, 3, 0x22, -1, 0);
  return { address, length, free: () => void call('munmap', address, length) };
}
export interface AlignedBuffer {
  address: number;
  length: number;
  free(): void;
}

export const truncate = (path: Path, size: number): void =>
  void call('truncate', bytesOf(path), size);
export const ftruncate = (fd: number, size: number): void => void call('ftruncate', fd, size);
export const fsync = (fd: number): void => void call('fsync', fd);
export const fdatasync = (fd: number): void => void call('fdatasync', fd);
export const syncfs = (fd: number): void => void call('syncfs', fd);

export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;
export const lseek = (fd: number, offset: number, whence: number): number =>
  call('lseek', fd, offset, whence);

export const FALLOC = {
  KEEP_SIZE: 1,
  PUNCH_HOLE: 2,
  COLLAPSE_RANGE: 8,
  ZERO_RANGE: 16,
  INSERT_RANGE: 32,
  UNSHARE_RANGE: 64,
} as const;
export const fallocate = (fd: number, mode: number, offset: number, length: number): void =>
  void call('fallocate', fd, mode, offset, length);

/** Offsets of null are those of the descriptors. @returns bytes copied */
export function copyFileRange(
  from: number,
  fromOffset: number | null,
  to: number,
  toOffset: number | null,
  length: number,
): number {
  const source = fromOffset === null ? null : i64(fromOffset);
  const target = toOffset === null ? null : i64(toOffset);
  return call('copy_file_range', from, source, to, target, length, 0);
}

export const IOCTL = {
  FICLONE: 0x40049409,
  FICLONERANGE: 0x4020940d,
  FS_IOC_GETFLAGS: 0x80086601,
  FS_IOC_SETFLAGS: 0x40086602,
} as const;
export const ioctl = (fd: number, request: number, argument: number | Buffer): number =>
  call('ioctl', fd, request, argument);
export const clone = (from: number, to: number): void => void ioctl(to, IOCTL.FICLONE, from);
/** A length of 0 means up to the end of the source. */
export const cloneRange = (
  from: number,
  fromOffset: number,
  length: number,
  to: number,
  toOffset: number,
): void => void ioctl(to, IOCTL.FICLONERANGE, i64(from, fromOffset, length, toOffset));
export function getFlags(fd: number): number {
  const flags = Buffer.alloc(8);
  ioctl(fd, IOCTL.FS_IOC_GETFLAGS, flags);
  return flags.readUInt32LE(0);
}

/** O_APPEND and the like of an open descriptor. */
export const getStatusFlags = (fd: number): number => call('fcntl', fd, 3, 0);
export const setStatusFlags = (fd: number, flags: number): void => void call('fcntl', fd, 4, flags);

/** [read end, write end] */
export function pipe(): [number, number] {
  const fds = u32(0, 0);
  call('pipe2', fds, O.CLOEXEC);
  return [fds.readInt32LE(0), fds.readInt32LE(4)];
}
