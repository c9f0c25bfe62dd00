/**
 * What a filesystem offers to a channel: one method per kernel operation, arguments decoded, results as
 * plain values. A method may throw or reject with anything that carries an errno name as `code`.
 * Arguments are fresh objects, so a method may keep them across an `await`.
 */

/**
 * Who asks. On kernels with idmapped mounts `uid` and `gid` are known only where an inode is made, as the
 * filesystem is to record them; elsewhere they are 2^32-1. Permissions are the kernel's business.
 */
export interface Caller {
  uid: number;
  gid: number;
  pid: number;
  /** Bits that what it makes does not get, unless the directory has a default ACL; absent: taken off. */
  umask?: number;
}

/** Attributes as the kernel wants them; `blocks` in units of 512 bytes. */
export interface Attributes {
  ino: number;
  size: number;
  blocks: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  blockSize: number;
  generation: number;
  /** Seconds that the kernel may use these attributes without asking; may be a fraction. */
  attributesValid: number;
  /** Seconds that the kernel may use the name that led here. */
  entryValid: number;
}

/** How an opened file is served. */
export interface Opened {
  handle: number;
  /** FOPEN_* bits. */
  flags: number;
  /** With FOPEN_PASSTHROUGH, else 0. */
  backingId: number;
}

export interface SetattrRequest {
  ino: number;
  /** SetattrValid bits. */
  valid: number;
  size: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  mode: number;
  uid: number;
  gid: number;
}

export interface ReaddirRequest {
  ino: number;
  /** The offset of the entry after which to go on, 8 bytes big endian; zeros at the start. */
  cookie: Buffer;
  plus: boolean;
}

/** Takes entries until it is full. */
export interface EntrySink {
  /** Bytes still free. */
  readonly room: number;
  /** @returns false where the entry did not fit (nothing is then written). */
  add(
    name: string,
    ino: number,
    type: number,
    cookie: Buffer,
    attributes: Attributes | null,
  ): boolean;
}

export interface FilesystemStatistics {
  blocks: number;
  freeBlocks: number;
  availableBlocks: number;
  files: number;
  freeFiles: number;
  blockSize: number;
  nameLength: number;
}

export type Result<T> = T | Promise<T>;

export interface Operations {
  lookup(caller: Caller, parent: number, name: string): Result<Attributes>;
  forget(ino: number): void;
  getattr(caller: Caller, ino: number): Result<Attributes>;
  setattr(caller: Caller, request: SetattrRequest): Result<Attributes>;
  readlink(caller: Caller, ino: number): Result<string>;
  symlink(caller: Caller, parent: number, name: string, target: string): Result<Attributes>;
  mknod(
    caller: Caller,
    parent: number,
    name: string,
    mode: number,
    rdev: number,
  ): Result<Attributes>;
  mkdir(caller: Caller, parent: number, name: string, mode: number): Result<Attributes>;
  unlink(caller: Caller, parent: number, name: string): Result<void>;
  rmdir(caller: Caller, parent: number, name: string): Result<void>;
  rename(
    caller: Caller,
    parent: number,
    name: string,
    newParent: number,
    newName: string,
    flags: number,
  ): Result<void>;
  link(caller: Caller, ino: number, newParent: number, newName: string): Result<Attributes>;
  open(caller: Caller, ino: number, flags: number, openFlags: number): Result<Opened>;
  create(
    caller: Caller,
    parent: number,
    name: string,
    flags: number,
    mode: number,
  ): Result<{ attributes: Attributes; opened: Opened }>;
  tmpfile(
    caller: Caller,
    parent: number,
    flags: number,
    mode: number,
  ): Result<{ attributes: Attributes; opened: Opened }>;
  /** A READ or WRITE came for an inode that is not being served: serve it or throw. */
  resume(ino: number): Result<void>;
  release(ino: number, handle: number, flags: number): Result<void>;
  statfs(caller: Caller): Result<FilesystemStatistics>;
  fsync(caller: Caller, ino: number, dataOnly: boolean): Result<void>;
  fsyncdir(caller: Caller, ino: number): Result<void>;
  syncfs(caller: Caller): Result<void>;
  /** `killSetGid`: a new ACL takes the set-group-id bit away. */
  setxattr(
    caller: Caller,
    ino: number,
    name: string,
    value: Buffer,
    flags: number,
    killSetGid?: boolean,
  ): Result<void>;
  getxattr(caller: Caller, ino: number, name: string): Result<Buffer>;
  listxattr(caller: Caller, ino: number): Result<string[]>;
  removexattr(caller: Caller, ino: number, name: string): Result<void>;
  readdir(caller: Caller, request: ReaddirRequest, sink: EntrySink): void;
  fallocate(
    caller: Caller,
    ino: number,
    mode: number,
    offset: number,
    length: number,
  ): Result<void>;
  lseek(caller: Caller, ino: number, offset: number, whence: number): Result<number>;
  copyFileRange(
    caller: Caller,
    source: number,
    sourceOffset: number,
    target: number,
    targetOffset: number,
    length: number,
  ): Result<number>;
}
