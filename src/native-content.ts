/** The content half of the border to C++ (`native.ts`): cutting files, packs, and plans to read from them. */

/**
 * Where the bytes of a packed file lie: one row per chunk, in file order, as parallel arrays.
 * `packs[i]` indexes `packPaths`; -1 means a run of zeros that is stored nowhere, -2 a chunk
 * whose pack is no more: reading that is EIO.
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
  /**
   * Writes files that have no error elsewhere, makes them durable (their directory entries are not) and reads them back
   * from the medium. For each: its path, the value of its extended attribute `labelName` (left out where there can be
   * none), and in `times` seconds and nanoseconds of the last access and of the last change.
   * @returns for each an errno, or 0, and its blocks of 512 bytes. What has an error is the caller's to remove.
   */
  write(
    files: Uint32Array,
    paths: readonly string[],
    labels: readonly Buffer[],
    labelName: string,
    times: Float64Array,
    control?: CopyControl,
  ): Promise<{ errors: Int32Array; blocks: Float64Array }>;
  release(): void;
}

/** The chunks of several files, one file behind the other. */
export interface GroupBatch extends ChunkBatch {
  /** Chunks of each file. */
  readonly counts: Uint32Array;
  /** XXH3-128 of all the bytes. */
  readonly digest: Buffer;
}

/** How chunks are stored. */
export interface Encoding {
  /** 0 for no compression, else the zstd level, 1 to 19. */
  level: number;
  /**
   * Chunks that repeat themselves are compressed one after the other, up to so many bytes of them: the more the less is
   * stored, and the more has to be decoded for a few bytes. At most 512 KiB; 0 for each on its own.
   */
  chainBytes: number;
}

/** Chunks as they go into a pack, held in native memory until released. */
export interface EncodedChunks {
  release(): void;
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
  /** In their order; one call at a time. */
  append(chunks: EncodedChunks): Promise<AppendResult>;
  /**
   * Copies whole records from another pack of this volume, verifying each one's checksum. Rejects with EBADMSG,
   * also where the medium can't read one or another pack than `sourceId` lies there: EIO is of this pack. Where it fails
   * or is cancelled nothing was added. Records of a chain that is copied in part get another length.
   */
  copyRecords(
    sourcePath: string,
    sourceId: number,
    offsets: Float64Array,
    stored: Uint32Array,
    control?: CopyControl,
  ): Promise<AppendResult>;
  /** fdatasync of what was appended before; may run beside the other calls. */
  sync(): Promise<void>;
  /** Writes the index and the footer, syncs, and writes the parity. The pack is then immutable. */
  seal(): Promise<void>;
  /** Writes the parity of what is in the pack so far. */
  writeParity(): Promise<void>;
  close(): void;
}

/** Chunks in a pack: where their records lie (bytes), decoded lengths, and SHA-256, 32 bytes each. */
export interface ChunkRecords {
  offsets: Float64Array;
  stored: Uint32Array;
  lengths: Uint32Array;
  hashes: Buffer;
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

export interface CheckedCopy extends CopyResult {
  /** The same of the copy, as it was read back from the medium. */
  found: Buffer;
}

/** Bounds background work from outside: cancel it, or slow it down. */
export interface CopyControl {
  /** Stops at the next step; the promise rejects with ECANCELED. */
  cancel(): void;
  readonly cancelled: boolean;
  /** Bytes done so far. */
  readonly done: number;
}

export interface NativeContent {
  /** `cuts`: offsets, ascending, at which a chunk ends whatever its content. */
  createChunkReader(
    fd: number,
    min: number,
    average: number,
    max: number,
    batchBytes: number,
    cuts?: Float64Array,
  ): ChunkReader;
  /**
   * Reads whole files, 64 MiB at most in all; none may be empty. `identities`: device and inode of each, where somebody
   * else may put another file at its path; that one is not read (ESTALE).
   */
  readFiles(
    paths: readonly string[],
    lengths: Uint32Array,
    control?: CopyControl,
    identities?: Float64Array,
  ): Promise<FileGroup>;
  /**
   * The same out of a plan that has the files one behind the other. `fromMedium`: nothing may come from memory.
   * @throws EIO where any of their chunks is damaged
   */
  readPlanFiles(
    plan: PlanHandle,
    lengths: Uint32Array,
    fromMedium: boolean,
    control?: CopyControl,
  ): Promise<FileGroup>;
  /**
   * Compresses the chunks of `batch` named by `indexes`, in that order; as in `Encoding`. What hardly shrinks is stored as
   * is. The batch may be released meanwhile.
   */
  encodeChunks(
    batch: ChunkBatch,
    indexes: Uint32Array,
    level: number,
    chainBytes: number,
  ): Promise<EncodedChunks>;
  /** Creates the file exclusively (EEXIST). `packId` is repeated in its header. */
  createPackWriter(path: string, packId: number, volumeId: Buffer): PackWriter;
  /**
   * Reads a pack, sealed by its index or by walking the records. `deep` decodes and hashes each. @throws EIO where that is
   * no regular file, EBADMSG where it is no pack
   */
  scanPack(path: string, deep: boolean): Promise<PackScan>;
  /** Cuts a torn tail off and seals: the crash recovery of an open pack. @returns the final length. */
  repairPack(path: string, validLength: number): Promise<number>;
  /**
   * Reads a sealed pack and writes its parity beside it; one that is sealed by its writer has it at once. Obeys the
   * background rate. @throws ECANCELED, ENOSPC and others, with `path`
   */
  makeParity(path: string, control?: CopyControl): Promise<void>;
  /**
   * Looks at records of a pack, and at those before them in their chains; what is damaged is written anew where the
   * pack's parity has it. @returns for each record 1 where it decodes to its chunk now, else 0.
   * @throws ENOENT where there is no parity, EBADMSG where it is bad or another pack lies there, EIO where one of them is
   * no regular file, ECANCELED
   */
  mendRecords(
    path: string,
    packId: number,
    volumeId: Buffer,
    records: ChunkRecords,
    control?: CopyControl,
  ): Promise<Uint32Array>;
  /** Opens every pack of the plan. @throws ENOENT and others of open(2), with `path`. */
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
  /**
   * Decodes the file into `fd` from offset 0, then fdatasync, and reads it back; `meanwhile` as for `copyFile`. Zero runs
   * become holes.
   */
  hydrate(
    plan: PlanHandle,
    fd: number,
    control?: CopyControl,
    meanwhile?: boolean,
  ): Promise<CheckedCopy>;
}
