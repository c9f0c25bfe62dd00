/** The half of the border that `export` and `import` use: trees are listed, and what is below copied, many entries to a job. */
import type { CopyControl } from './native-content.js';

/** Paths and names are bytes in latin1. */
export interface ListedEntries {
  names: string[];
  /** `Stat.length` numbers for each, links not followed; a negative errno for a mode where there are none. */
  stats: Float64Array;
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
  /** The next entries of an open directory, some hundreds; none at its end. Without what is deleted meanwhile. */
  listDirectory(fd: number): Promise<ListedEntries>;
  /** lstat of each, as `ListedEntries.stats`. */
  lookAt(paths: readonly string[]): Promise<Float64Array>;
  /**
   * Copies files, symbolic links, FIFOs, sockets and devices one after the other, with all attributes as `cp -a`, holes
   * kept. Each appears when it is whole; EEXIST where something stands there. Nothing is durable yet, except with `flush`
   * the data of each file. `control` counts bytes; cancelled, what is not done fails with ECANCELED.
   */
  exportEntries(
    sources: readonly string[],
    targets: readonly string[],
    modes: Float64Array,
    flush: boolean,
    control?: CopyControl,
  ): Promise<ExportedBatch>;
  /** Gives existing directories the attributes of others. With `flush` each is synced. */
  exportDirectories(
    sources: readonly string[],
    targets: readonly string[],
    flush: boolean,
  ): Promise<ExportedBatch>;
  /** Gives new files, which have none, the extended attributes of others. */
  exportXattrs(sources: readonly string[], targets: readonly string[]): Promise<ExportedBatch>;
}
