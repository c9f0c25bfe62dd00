/** How files get from one side to the other. */
import { native, type ExportedBatch } from '../../native.js';
import type { Entry } from './entry.js';

export interface Carrier {
  /** Small files go together: so many, and so many bytes. */
  readonly batch: { readonly files: number; readonly bytes: number };
  /** Bytes so far. */
  readonly bytes: number;
  /** What is no directory. Each appears when it is whole; what failed is in the answer. @throws CoralError: nothing can go on */
  carry(entries: readonly Entry[]): Promise<ExportedBatch>;
  /** What is under way fails soon, with ECANCELED. */
  stop(): void;
}

/** Few files, so that jobs beside each other read what lies together. */
const BATCH = { files: 8, bytes: Infinity };

/** By system calls, whatever lies below the paths. `flush`: the data of each file is made durable. */
export function systemCarrier(flush: boolean): Carrier {
  const control = native.createCopyControl();
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
        flush,
        control,
      ),
    stop: () => control.cancel(),
  };
}
