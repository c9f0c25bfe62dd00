/**
 * The kernel's FUSE protocol as numbers, version 7.45: opcodes, flags, structure sizes.
 * Source: include/uapi/linux/fuse.h. Defined here because the headers of older distributions lack what
 * passthrough needs.
 */
export const FUSE_KERNEL_VERSION = 7;
/** The newest minor version that this code was written for. */
export const FUSE_KERNEL_MINOR_VERSION = 45;
/** Passthrough came with 7.40; older kernels are served without it, down to this (SETXATTR_EXT). */
export const FUSE_MINIMUM_MINOR_VERSION = 33;

export const IN_HEADER_SIZE = 40;
export const ATTR_SIZE = 88;
export const ENTRY_OUT_SIZE = 40 + ATTR_SIZE;
export const DIRENT_HEADER_SIZE = 24;

/** Set in fuse_init_in/out and named after the kernel's FUSE_* constants; bits above 31 go to flags2. */
export const InitFlag = {
  ASYNC_READ: 2 ** 0,
  ATOMIC_O_TRUNC: 2 ** 3,
  EXPORT_SUPPORT: 2 ** 4,
  BIG_WRITES: 2 ** 5,
  DONT_MASK: 2 ** 6,
  DO_READDIRPLUS: 2 ** 13,
  READDIRPLUS_AUTO: 2 ** 14,
  ASYNC_DIO: 2 ** 15,
  PARALLEL_DIROPS: 2 ** 18,
  POSIX_ACL: 2 ** 20,
  MAX_PAGES: 2 ** 22,
  CACHE_SYMLINKS: 2 ** 23,
  NO_OPENDIR_SUPPORT: 2 ** 24,
  EXPLICIT_INVAL_DATA: 2 ** 25,
  HANDLE_KILLPRIV_V2: 2 ** 28,
  SETXATTR_EXT: 2 ** 29,
  INIT_EXT: 2 ** 30,
  CREATE_SUPP_GROUP: 2 ** 34,
  DIRECT_IO_ALLOW_MMAP: 2 ** 36,
  PASSTHROUGH: 2 ** 37,
  ALLOW_IDMAP: 2 ** 40,
} as const;

/** fuse_open_out.open_flags. */
export const FOPEN_KEEP_CACHE = 1 << 1;
export const FOPEN_NOFLUSH = 1 << 5;
export const FOPEN_PASSTHROUGH = 1 << 7;

/** fuse_setattr_in.valid. */
export const SetattrValid = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const;

/** fuse_open_in.open_flags and fuse_create_in.open_flags. */
export const OPEN_KILL_SUIDGID = 1 << 0;
/** fuse_setxattr_in.setxattr_flags. */
export const SETXATTR_ACL_KILL_SGID = 1 << 0;
/** fuse_fsync_in.fsync_flags. */
export const FSYNC_DATA_ONLY = 1 << 0;
/** fuse_getattr_in.getattr_flags. */
export const GETATTR_FH = 1 << 0;

/** One MiB, the most that one request carries: 256 pages, the kernel's default fs.fuse.max_pages_limit. */
export const MAX_REQUEST_BYTES = 1 << 20;
export const MAX_REQUEST_PAGES = 256;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  IOCTL: 39,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const;
