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
  length: 12,
} as const;

/**
 * Where the bytes of a packed file lie: one row per chunk, in file order, as parallel arrays.
 * `packs[i]` indexes `packPaths`; -1 means a run of zeros that is stored nowhere.
 */
export interface PackedPlan {
  /** Length of the file in bytes; the sum of `lengths`. */
  size: number;
  /** Length of each chunk in bytes, not compressed. */
  lengths: Uint32Array;
  packs: Int32Array;
  /** Offset of the chunk's record in its pack, in bytes. */
  offsets: Float64Array;
  /** Length of the record in the pack, header included, in bytes. */
  stored: Uint32Array;
  packPaths: string[];
  /** Of the packs at `packPaths`: another one in its place is damage. */
  packIds: number[];
  /** 16 bytes. */
  volumeId: Buffer;
}

/** A native pack plan with its packs held open; works on after the packs are unlinked. */
export interface PlanHandle {
  readonly size: number;
  /** Opens every pack of the plan. @throws ENOENT and others of open(2), with `path`. */
  close(): void;
}

/** One span of a file that was cut and hashed, its bytes held in native memory until released. */
export interface ChunkBatch {
  readonly count: number;
  /** 32 bytes of SHA-256 per chunk, in file order. */
  readonly hashes: Buffer;
  readonly lengths: Uint32Array;
  /** 1 where the chunk is zeros throughout (its hash is then not used). */
  readonly zero: Uint8Array;
  release(): void;
}

/** Cuts a file into content-defined chunks, reading ahead in a background thread. */
export interface ChunkReader {
  /** The next batch (about `batchBytes`), or null at the end. One call at a time. */
  next(): Promise<ChunkBatch | null>;
  /** Bytes read so far. */
  readonly bytesRead: number;
  /** XXH3-128 of everything read, 16 bytes; complete once `next` gave null. */
  digest(): Buffer;
  close(): void;
}

/** Small files in native memory, read at once. Numbers of files are those of the call that read them. */
export interface FileGroup {
  /** An errno where a file could not be had; EIO also where it has another length. */
  readonly errors: Int32Array;
  /** XXH3-128 of each, 16 bytes. */
  readonly digests: Buffer;
  /** Bytes of one file, fewer at its end. */
  slice(file: number, offset: number, length: number): Buffer;
  /**
   * Cuts and hashes files that have no error. For each: the least, average and greatest length of a chunk in `limits`, and in
   * `cutCounts` how many of `cuts` are its own, ascending, at which a chunk ends whatever its content.
   */
  cut(
    files: Uint32Array,
    limits: Uint32Array,
    cutCounts: Uint32Array,
    cuts: Float64Array,
  ): Promise<GroupBatch>;
  release(): void;
}

/** The chunks of several files, one file behind the other. */
export interface GroupBatch extends ChunkBatch {
  /** Chunks of each file. */
  readonly counts: Uint32Array;
  /** XXH3-128 of all the bytes. */
  readonly digest: Buffer;
}

export interface AppendResult {
  /** Offset of each appended record in the pack. */
  offsets: Float64Array;
  /** Length of each record, header included. */
  stored: Uint32Array;
}

/** Appends chunk records to one pack file. Format: src/content/README.md. */
export interface PackWriter {
  /** Bytes in the pack so far. */
  readonly size: number;
  /**
   * Compresses and appends the chunks of `batch` named by `indexes` (ascending), in that order.
   * `level` 0 stores as is, 1..19 is zstd's for what repeats itself; what does not shrink by 1/16 is stored as is.
   * One call at a time.
   */
  append(batch: ChunkBatch, indexes: Uint32Array, level: number): Promise<AppendResult>;
  /**
   * Copies whole records from another pack of this volume, verifying each one's checksum. Rejects with EBADMSG,
   * also where another pack than `sourceId` lies there.
   */
  copyRecords(
    sourcePath: string,
    sourceId: number,
    offsets: Float64Array,
    stored: Uint32Array,
  ): Promise<AppendResult>;
  /** fdatasync. */
  sync(): Promise<void>;
  /** Writes the index and the footer, syncs. The pack is then immutable. */
  seal(): Promise<void>;
  close(): void;
}

export interface PackScan {
  packId: number;
  /** 16 bytes from its header: whose pack it is. */
  volumeId: Buffer;
  sealed: boolean;
  /** Length of the valid prefix in bytes; the rest is a torn tail. */
  validLength: number;
  fileLength: number;
  count: number;
  hashes: Buffer;
  offsets: Float64Array;
  stored: Uint32Array;
  lengths: Uint32Array;
  /** Indexes of records whose checksum (and with `deep`, SHA-256 of the decoded data) is wrong. */
  bad: Uint32Array;
}

export interface PlanCheck {
  /** XXH3-128 of the decoded bytes, 16 bytes. Meaningful only where `bad` is empty. */
  digest: Buffer;
  /** Indexes of chunks that could not be read or whose checksum is wrong. */
  bad: Uint32Array;
}

export interface CopyResult {
  bytes: number;
  /** XXH3-128 of the bytes, 16 bytes. */
  digest: Buffer;
}

/** Bounds background work from outside: cancel it, or slow it down. */
export interface CopyControl {
  /** Stops at the next step; the promise rejects with ECANCELED. */
  cancel(): void;
  /** Bytes done so far. */
  readonly done: number;
}

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
  /** A chunk of a packed inode failed its checks and a reader got EIO. `chunk` indexes the plan. */
  onDamage(ino: number, chunk: number, packPath: string, reason: string): void;
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
   * its result was PENDING; after `servePlain` or `servePacked` this hands it to the native threads.
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
  /** The kernel asks for the attributes of an inode again, from now on. Only for one that is open. */
  expireAttributes(ino: number): void;
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

export interface NativeAddon {
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
  /** Bytes of the file that other files have too. @throws EOPNOTSUPP where the filesystem can't tell. */
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

  // content
  /** `cuts`: offsets, ascending, at which a chunk ends whatever its content. */
  createChunkReader(
    fd: number,
    min: number,
    average: number,
    max: number,
    batchBytes: number,
    cuts?: Float64Array,
  ): ChunkReader;
  /** Reads whole files, 64 MiB at most in all; none may be empty. */
  readFiles(
    paths: readonly string[],
    lengths: Uint32Array,
    control?: CopyControl,
  ): Promise<FileGroup>;
  /** Creates the file exclusively (EEXIST). `packId` is repeated in its header. */
  createPackWriter(path: string, packId: number, volumeId: Buffer): PackWriter;
  /** Reads a pack, sealed by its index or by walking the records. `deep` decodes and hashes each. */
  scanPack(path: string, deep: boolean): Promise<PackScan>;
  /** Cuts a torn tail off and seals: the crash recovery of an open pack. @returns the final length. */
  repairPack(path: string, validLength: number): Promise<number>;
  openPlan(plan: PackedPlan): PlanHandle;
  /**
   * Bytes of the packed file, fewer at its end; at most 64 MiB. For looking into a file, not for serving
   * it. @throws EIO with the pack's `path` where a chunk is damaged.
   */
  readPlan(plan: PlanHandle, offset: number, length: number): Promise<Buffer>;
  /**
   * Decodes the whole file, dropping the packs' pages first so that the medium is read. Where the plan is the next
   * part of a file, `before` is what was found in the parts before, and the digest is that of all of them.
   */
  checkPlan(plan: PlanHandle, control?: CopyControl, before?: PlanCheck): Promise<PlanCheck>;
  /** Decodes the file into `fd` from offset 0, then fdatasync. Zero runs become holes. */
  hydrate(plan: PlanHandle, fd: number, control?: CopyControl): Promise<CopyResult>;
  /**
   * Copies a file, holes kept, then fdatasync of the target. Within a filesystem that can share blocks nothing is
   * written: the copy is a clone.
   */
  copyFile(fdIn: number, fdOut: number, control?: CopyControl): Promise<CopyResult>;
  /** Reads a file back from the medium (its clean pages dropped first) and hashes it. */
  digestFile(fd: number, control?: CopyControl): Promise<CopyResult>;
  createCopyControl(): CopyControl;
  /** Shared ceiling for background bytes per second; Infinity lifts it, 0 pauses. */
  setBackgroundRate(bytesPerSecond: number): void;
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
