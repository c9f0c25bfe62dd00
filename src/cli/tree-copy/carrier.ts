/** How files get from one side to the other. */
import { native, type ExportedBatch } from '../../native.js';
import type { Entry, Folder } from './entry.js';

export interface Carrier {
  /** Small files go together: so many, and so many bytes. */
  readonly batch: { readonly files: number; readonly bytes: number };
  /** Bytes so far. */
  readonly bytes: number;
  /** What is no directory. Each appears when it is whole; what failed is in the answer. @throws CoralError: nothing can go on */
  carry(entries: readonly Entry[]): Promise<ExportedBatch>;
  /** Gives directories the attributes of the originals: all that is below them is done. */
  finish(folders: readonly Folder[]): Promise<ExportedBatch>;
  /** What is under way fails soon, with ECANCELED. */
  stop(): void;
}

/** Few files, so that jobs beside each other read what lies together. */
const BATCH = { files: 8, bytes: Infinity };

export interface SystemOptions {
  /** The data of each file is made durable. */
  flush: boolean;
  /** So is each directory. */
  flushDirectories: boolean;
  /** Devices where nothing has an extended attribute. */
  bare: ReadonlySet<number>;
}

/** By system calls, whatever lies below the paths. */
export function systemCarrier({ flush, flushDirectories, bare }: SystemOptions): Carrier {
  const control = native.createCopyControl();
  const mayHaveXattrs = (those: readonly { dev: number }[]) =>
    those.some(({ dev }) => !bare.has(dev));
  // Modes are those of the originals.
  process.umask(0);
  return {
    batch: BATCH,
    get bytes() {
      return control.done;
    },
    carry: (entries) =>
      native.exportEntries(
        entries.map(({ source }) => source),
        entries.map(({ target }) => target),
        Float64Array.from(entries, ({ mode }) => mode),
        mayHaveXattrs(entries),
        flush,
        control,
      ),
    finish: (folders) =>
      native.exportDirectories(
        folders.map(({ source }) => source),
        folders.map(({ target }) => target),
        Float64Array.from(folders.flatMap(({ mode, uid, gid }) => [mode, uid, gid])),
        mayHaveXattrs(folders),
        flushDirectories,
      ),
    stop: () => control.cancel(),
  };
}
