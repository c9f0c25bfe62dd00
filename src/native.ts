/**
 * The border to the C++ half: what the addon offers, with units and errors, and its loader.
 *
 * Native code holds mechanisms only: it takes a plan and returns a result. It opens no database and
 * decides nothing. Every failing call throws (or rejects with) an Error that carries `code` (an errno
 * name such as `ENOSPC`), `errno` (positive number), `syscall` and, where there is one, `path`: the shape
 * of Node's own system errors.
 *
 * Work runs on two pools of native threads: `foreground` answers the kernel and finishes operations that
 * a program waits for; `background` moves data and has idle I/O priority (ioprio class idle, nice 19).
 * Offsets, sizes and 64-bit ids are JS numbers (below 2^53).
 */
import { createRequire } from 'node:module';
import type { NativeExport } from './native-export.js';
import type {
  CheckedCopy,
  CopyControl,
  CopyResult,
  NativeContent,
  PlanHandle,
} from './native-content.js';

export type * from './native-content.js';
export type * from './native-export.js';

/** Indexes into the array that `statFd` and `statPath` fill. */
export const Stat = {
  size: 0,
  /** 512-byte units. */
  blocks: 1,
  atimeSec: 2,
  atimeNsec: 3,
  mtimeSec: 4,
  mtimeNsec: 5,
  ctimeSec: 6,
  ctimeNsec: 7,
  mode: 8,
  dev: 9,
  ino: 10,
  nlink: 11,
  uid: 12,
  gid: 13,
  length: 14,
} as const;

/** A few blocks of a file. Files of one length are sampled at the same offsets. */
export interface FileSamples {
  /** Whole numbers; 0 for a block of zeros, which says nothing. */
  hashes: Float64Array;
  /** Where each lies on its filesystem, in bytes; 0 where that can't be said. */
  places: Float64Array;
  /** Bytes of the whole file that other files have too. */
  sharedBytes: number;
}

/** What `shareExtents` looks at in one call: a multiple of it is where each call begins. */
export const SHARE_WINDOW = 16 * 1024 * 1024;

export interface FuseCallbacks {
  /**
   * A control request is in `session.request` (`length` bytes, fuse_in_header first). Its result goes to
   * `session.next`, which gives the length of the next one; returns when that is 0. Must not throw.
   */
  onRequests(length: number): void;
  /** The connection ended: 0 for unmounted or aborted, else the errno of the failed read. */
  onEnd(errno: number): void;
  /**
   * A READ met a chunk of a packed inode that failed its checks, and waits: for `retry`, or for `respond` with EIO.
   * `chunk` indexes the plan.
   */
  onDamage(unique: number, ino: number, chunk: number, packPath: string, reason: string): void;
}

/** Results beside payload lengths and negative errnos. */
export const PENDING = -100_000;
export const NO_REPLY = -100_001;

/**
 * One kernel FUSE connection. The event loop polls the descriptor; READ and WRITE of inodes that are
 * being served here are answered by native threads, also while the event loop is busy: a guard thread
 * takes over reading the descriptor when the loop does not.
 */
export interface FuseSession {
  readonly fd: number;
  readonly request: Buffer;
  readonly reply: Buffer;
  start(): void;
  /** Stops polling and serving, closes the descriptor (which ends the mount's connection). */
  stop(): Promise<void>;
  /**
   * Within `onRequests`: answers the request that was shown, and shows the next one where there is one.
   * `result` is the number of payload bytes put into `reply`, a negative errno, `PENDING` (then `respond` is
   * called later) or `NO_REPLY`. @returns its length in `request`, or 0.
   */
  next(result: number): number;
  /** Answers a pending request. `errno` is positive, 0 for success. Safe after the end. */
  respond(unique: number, errno: number, payload?: Buffer): void;
  /**
   * A READ or WRITE for an inode that is not served: JavaScript saw it (a WRITE without its data) and
   * its result was PENDING; after `servePlain` or `servePacked` this hands it to the native threads. Also a READ that
   * `onDamage` told of.
   */
  retry(unique: number): void;
  /** Registers a backing file. @returns its backing id. @throws EPERM, EOPNOTSUPP, ELOOP. */
  backingOpen(fd: number): number;
  backingClose(backingId: number): void;
  /**
   * Serves READ and WRITE of `ino` from `fd` (duplicated). Replaces what served it before.
   * @throws EINVAL where `fd` was opened with O_APPEND: writes come with their offsets.
   */
  servePlain(ino: number, fd: number): void;
  servePacked(ino: number, plan: PlanHandle): void;
  unserve(ino: number): void;
  /** FUSE_NOTIFY_INVAL_INODE from a native thread. `offset` -1: attributes only. `length` 0: to the end. */
  invalidateInode(ino: number, offset: number, length: number): void;
  /**
   * Writes back what programs changed through mappings of an inode that is served here, and drops its cached
   * pages. Resolves when the WRITE requests were answered, or at once after the end.
   */
  writeBack(ino: number): Promise<void>;
  /**
   * Nothing more is pushed ahead of programs that read a packed inode, once this resolves and until it is served
   * from something else. Before its data changes: what is pushed is the old data.
   */
  endReadAhead(ino: number): Promise<void>;
  /**
   * The kernel asks for the access time of an inode again: from now on, or once it was read where it has no data of it.
   * Only for one that is open.
   */
  expireAccessTime(ino: number): void;
  invalidateEntry(parent: number, name: Buffer): void;
}

export interface LabelledFiles {
  fds: Int32Array;
  /** 0, or the negative errno of setting the attribute. */
  labelled: Int32Array;
  /** 1 where a descriptor or mapping of anyone, this process included, may write to the file. */
  written: Int32Array;
  heads: Buffer[];
}

export interface MountResult {
  fd: number;
  /** True where fusermount3 did it. */
  viaHelper: boolean;
}

export interface NativeAddon extends NativeContent, NativeExport {
  // io: descriptors and files. Synchronous calls are for the fastest medium or memory only.
  openSync(path: string, flags: number, mode: number): number;
  open(path: string, flags: number, mode: number): Promise<number>;
  close(fd: number): void;
  /** dup(2), closed on exec. */
  duplicate(fd: number): number;
  statFd(fd: number, out: Float64Array): void;
  statPath(path: string, out: Float64Array): void;
  fsync(fd: number, dataOnly: boolean): Promise<void>;
  /** Flushes the filesystem that holds `path`. */
  syncFilesystem(path: string): Promise<void>;
  /** fsync of a directory by path. */
  syncDirectory(path: string): Promise<void>;
  truncate(fd: number, size: number): Promise<void>;
  fallocate(fd: number, mode: number, offset: number, length: number): Promise<void>;
  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). @throws ENXIO. */
  seek(fd: number, offset: number, whence: number): number;
  copyRange(
    fdIn: number,
    offIn: number,
    fdOut: number,
    offOut: number,
    length: number,
  ): Promise<number>;
  /** The time that the kernel would stamp a file with: seconds and nanoseconds, into `into`. */
  currentTime(into: Float64Array): void;
  /** Seconds and nanoseconds; nsec may be UTIME_NOW or UTIME_OMIT. */
  setTimes(fd: number, asec: number, ansec: number, msec: number, mnsec: number): void;
  setXattr(fd: number, name: string, value: Buffer): void;
  getXattr(path: string, name: string): Buffer | null;
  read(fd: number, offset: number, length: number): Promise<Buffer>;
  write(fd: number, offset: number, data: Buffer): Promise<number>;
  /** flock(LOCK_EX|LOCK_NB). @returns false where another holds it. */
  lockFile(fd: number): boolean;
  /**
   * Whether any other descriptor or mapping refers to the file; `fd` must be this process's only one.
   * @throws where the filesystem has no leases
   */
  hasOthers(fd: number): boolean;

  /** Takes what is mapped and shared of a file from this process's resident memory; it comes back as it is used. */
  releaseMappings(path: string): void;

  // Many files in one job. Results in the order of the paths: a descriptor or 0, or a negative errno.
  /** Makes files that must not exist, open for reading and writing. */
  createFiles(paths: readonly string[], mode: number): Promise<Int32Array>;
  removeFiles(paths: readonly string[]): Promise<Int32Array>;
  /** Opens each for reading, sets one extended attribute, reads the first bytes. */
  labelFiles(
    paths: readonly string[],
    labels: readonly Buffer[],
    xattr: string,
    headLength: number,
  ): Promise<LabelledFiles>;

  // Blocks that files have in common.
  /** Tries it in `directory`, on files that have no name and leave nothing behind. */
  canShareExtents(directory: string): Promise<boolean>;
  /**
   * Bytes of the file that other files have too; on btrfs up to whole extents of which they have a part: its FIEMAP says
   * no more. @throws EOPNOTSUPP where the filesystem can't tell.
   */
  sharedBytes(fd: number): Promise<number>;
  sampleFile(fd: number): Promise<FileSamples>;
  /**
   * Lets the file `target` use the blocks of `source` where both hold the same at the same offset, in runs of
   * at least `shortest` bytes. The kernel compares with both locked: neither bytes nor times change, whoever reads or
   * writes them. `offset` is a multiple of SHARE_WINDOW. @returns bytes that take no space of their own any more.
   */
  shareExtents(
    source: number,
    target: number,
    offset: number,
    length: number,
    shortest: number,
    control?: CopyControl,
  ): Promise<number>;

  // fuse
  /**
   * Mounts and returns the descriptor. `flags` are MS_* bits, `options` what the kernel is told beside
   * fd, rootmode, user_id and group_id (such as `allow_other,default_permissions,max_read=1048576`).
   * Falls back to fusermount3 on EPERM. With `autoUnmount` fusermount3 does it in any case, stays, and takes the
   * mount away when this process is gone. @throws with the reason of mount(2) or fusermount3's message.
   */
  mount(
    source: string,
    mountpoint: string,
    subtype: string,
    flags: number,
    options: string,
    autoUnmount?: boolean,
  ): MountResult;
  /** Gives what is mounted there these MS_* flags, for every place where it is mounted. @throws EBUSY, EPERM. */
  remount(mountpoint: string, flags: number): void;
  /** umount2; `lazy` is MNT_DETACH. Falls back to fusermount3 -u on EPERM. */
  unmount(mountpoint: string, lazy: boolean): void;
  createSession(fd: number, callbacks: FuseCallbacks): FuseSession;

  // libfuse2
  /**
   * Loads libfuse 2 from the file `library`, so that the binding of fuse-native finds it, and puts this
   * addon in front of it (native/libfuse2). `onEnd` is called when a mount of it ended. Once per process.
   * @throws with the dynamic linker's reason
   */
  openLibfuse2(library: string, onEnd: () => void): void;

  // Whole files.
  /**
   * Copies a file, holes kept, then fdatasync of the target, and reads it back. Within a filesystem that can share blocks
   * nothing is written: the copy is a clone. `meanwhile`: a long file is read back while it is written, some way behind;
   * for a medium that does not seek.
   */
  copyFile(
    fdIn: number,
    fdOut: number,
    control?: CopyControl,
    meanwhile?: boolean,
  ): Promise<CheckedCopy>;
  /** Reads a file back from the medium (its clean pages dropped first) and hashes it. */
  digestFile(fd: number, control?: CopyControl): Promise<CopyResult>;
  /**
   * The same for a check that somebody asked for of a file that programs use: a pause of moves does not stop it, and what
   * the page cache has of the file is there afterwards.
   */
  checkFile(fd: number, control?: CopyControl): Promise<CopyResult>;
  // Background work.
  createCopyControl(): CopyControl;
  /**
   * Shared ceiling for background bytes per second, above 0; Infinity lifts it. While `paused`, moves stand still; a
   * deep `scanPack` goes on.
   */
  setBackgroundRate(bytesPerSecond: number, paused?: boolean): void;
}

const require = createRequire(import.meta.url);

/** The addon, built by `npm run build:native`. The path holds from `dist/src/` and from `src/`. */
export const native: NativeAddon = loadAddon();

function loadAddon(): NativeAddon {
  const candidates = [
    '../../native/build/Release/coral_reef.node',
    '../native/build/Release/coral_reef.node',
  ];
  for (const candidate of candidates) {
    try {
      return require(candidate) as NativeAddon;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error('The native addon is not built. Run: npm run build:native');
}
