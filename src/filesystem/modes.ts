/** File types, permission bits and open flags, as Linux defines them. */
import { constants } from 'node:fs';

export const S_IFMT = constants.S_IFMT;
export const S_IFDIR = constants.S_IFDIR;
export const S_IFREG = constants.S_IFREG;
export const S_IFCHR = constants.S_IFCHR;
export const S_IFLNK = constants.S_IFLNK;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o010;
export const PERMISSIONS = 0o7777;

export const O_ACCMODE = 3;
export const {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  O_DSYNC,
  O_NOFOLLOW,
  O_NOATIME,
} = constants;

/** In place of nanoseconds: that time stays. */
export const UTIME_OMIT = 0x3ffffffe;

/** Longest name, in bytes; the kernel does not limit it for FUSE. */
export const NAME_MAX = 255;
/** Most links of one inode: what ext4 allows. */
export const LINK_MAX = 65_000;
export const SYMLINK_MAX = 4095;

export const isDirectory = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
export const isRegular = (mode: number): boolean => (mode & S_IFMT) === S_IFREG;
/** DT_* value for directory entries. */
export const entryType = (mode: number): number => (mode & S_IFMT) >> 12;
export const mayRead = (flags: number): boolean => (flags & O_ACCMODE) !== O_WRONLY;
export const mayWrite = (flags: number): boolean => (flags & O_ACCMODE) !== O_RDONLY;
