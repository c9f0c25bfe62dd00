/** The half of the border that `export` and `import` use: trees are listed, and what is below copied, many entries to a job. */
import type { CopyControl } from './native-content.js';

/** Paths and names are bytes in latin1. */
export interface ListedEntries {
  names: string[];
  /** `Stat.length` numbers for each, links not followed; a negative errno for a mode where there are none. */
  stats: Float64Array;
  /** No more come. */
  last: boolean;
}

export interface DescribedFiles {
  /** As in `ListedEntries`. */
  stats: Float64Array;
  xattrs: Xattr[][];
}

/** An extended attribute. */
export interface Xattr {
  /** Bytes in latin1. */
  name: string;
  value: Buffer;
}

/** What did not work of a batch. */
export interface ExportFailure {
  /** In the batch. */
  index: number;
  /** The side that failed. */
  step: 'read' | 'write';
  error: NodeJS.ErrnoException & { syscall: string };
}

export interface ExportedBatch {
  /** Sizes of the files that were copied. */
  bytes: number;
  /** False where the target's filesystem could not store an extended attribute. */
  keptAll: boolean;
  failures: ExportFailure[];
}

export interface NativeExport {
  /** The next entries of an open directory, some hundreds. Without what is deleted meanwhile. */
  listDirectory(fd: number): Promise<ListedEntries>;
  /** lstat of each, as `ListedEntries.stats`. */
  lookAt(paths: readonly string[]): Promise<Float64Array>;
  /**
   * Copies files, symbolic links, FIFOs, sockets and devices one after the other, with all attributes as `cp -a`, holes
   * kept. Each appears when it is whole; EEXIST where something stands there. Without `xattrs` no source has extended
   * attributes. Nothing is durable yet, except with `flush` the data of each file. `control` counts bytes; cancelled, what is
   * not done fails with ECANCELED. Modes are kept sooner where the process has no umask.
   */
  exportEntries(
    sources: readonly string[],
    targets: readonly string[],
    modes: Float64Array,
    xattrs: boolean,
    flush: boolean,
    control?: CopyControl,
  ): Promise<ExportedBatch>;
  /** syncfs(2) of the filesystem that a descriptor lies on. @throws what failed to be written since it was opened, too */
  syncFilesystemOf(fd: number): Promise<void>;
  /**
   * Gives existing directories the attributes of others. `listed`: mode, owner and group of each; one that has others now is
   * another one (ESTALE). With `flush` each is synced.
   */
  exportDirectories(
    sources: readonly string[],
    targets: readonly string[],
    listed: Float64Array,
    xattrs: boolean,
    flush: boolean,
  ): Promise<ExportedBatch>;
  /** Opens each, links not followed: what fstat says, and its extended attributes that this process may read. */
  describeFiles(paths: readonly string[]): Promise<DescribedFiles>;
}
