/** Into a volume: the daemon packs what may be packed, and the rest goes through the mount. */
import { ask } from '../../daemon/client.js';
import type { ImportAnswer, ImportedFile, ImportProgress } from '../../daemon/documents.js';
import { IMPORT_BATCH } from '../../daemon/protocol.js';
import type { ExportedBatch, ExportFailure } from '../../native.js';
import type { Located } from '../locate.js';
import { systemCarrier, type Carrier } from './carrier.js';
import { isRegular, type Entry } from './entry.js';

type Answered = ImportAnswer['files'][number];

/**
 * `to` is the directory at the path `root` that all targets are in, `tier` the one to pack on; null for what the rules
 * say.
 */
export function packingCarrier(to: Located, root: string, tier: string | null): Carrier {
  // Names become durable together, when the directory is synced in the end.
  const rest = systemCarrier({ flush: true, flushDirectories: false, bare: new Set() });
  const gone = new AbortController();
  const underWay = new Set<{ bytes: number }>();
  let packedBytes = 0;

  async function pack(entries: readonly Entry[]): Promise<Answered[]> {
    if (entries.length === 0) return [];
    const args = { to: tier, files: entries.map((entry) => fileOf(entry, to.below, root)) };
    const size = sizeOf(entries);
    const work = { bytes: 0 };
    const onProgress = (value: unknown) => (work.bytes = (value as ImportProgress).share * size);
    underWay.add(work);
    try {
      const { volume, mountpoint } = to;
      const answer = await ask(volume, mountpoint, 'import', args, onProgress, gone.signal);
      return (answer as ImportAnswer).files;
    } catch (error) {
      if (gone.signal.aborted) return entries.map(() => STOPPED);
      throw error;
    } finally {
      underWay.delete(work);
    }
  }

  return {
    batch: IMPORT_BATCH,
    get bytes() {
      return [...underWay].reduce((sum, { bytes }) => sum + bytes, packedBytes + rest.bytes);
    },
    async carry(entries) {
      const packable = entries.filter((entry) => isRegular(entry) && entry.size > 0);
      const answers = await pack(packable);
      const states = new Map(packable.map((entry, i) => [entry, answers[i]]));
      const those = (state: Answered['state']) =>
        entries.filter((entry) => (states.get(entry)?.state ?? 'left') === state);
      const packed = those('packed');
      packedBytes += sizeOf(packed);
      const parts = [
        [packed, batchOf(packed, states)],
        [those('left'), await rest.carry(those('left'))],
        [those('failed'), failed(those('failed').map((entry) => states.get(entry)!))],
      ] as const;
      return together(entries, parts);
    },
    finish: rest.finish,
    stop() {
      gone.abort();
      rest.stop();
    },
  };
}

const STOPPED: Answered = { state: 'failed', step: 'read', error: 'stopped', code: 'ECANCELED' };

const sizeOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { size }) => sum + size, 0);

function fileOf(entry: Entry, below: string, root: string): ImportedFile {
  const { source, target, dev, ino, size, mode, uid, gid } = entry;
  const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = entry;
  const path = `${below === '/' ? '' : below}${target.slice(root.length)}`;
  const times = { atimeSec, atimeNsec, mtimeSec, mtimeNsec };
  return { source, path, dev, ino, size, mode: mode & 0o7777, uid, gid, ...times };
}

function batchOf(packed: readonly Entry[], answers: ReadonlyMap<Entry, Answered>): ExportedBatch {
  const keptAll = packed.every((entry) => {
    const answer = answers.get(entry);
    return answer?.state === 'packed' && answer.keptAll;
  });
  return { bytes: sizeOf(packed), keptAll, failures: [] };
}

function failed(answers: readonly Answered[]): ExportedBatch {
  const failures = answers.flatMap((answer, index): ExportFailure[] => {
    if (answer.state !== 'failed') return [];
    const { step, error, code } = answer;
    return [{ index, step, error: Object.assign(new Error(error), { code, syscall: 'import' }) }];
  });
  return { bytes: 0, keptAll: true, failures };
}

/** Results of parts of `entries` as one. */
function together(
  entries: readonly Entry[],
  parts: readonly (readonly [readonly Entry[], ExportedBatch])[],
): ExportedBatch {
  const indexes = new Map(entries.map((entry, index) => [entry, index]));
  return {
    bytes: parts.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    keptAll: parts.every(([, { keptAll }]) => keptAll),
    failures: parts.flatMap(([part, { failures }]) =>
      failures.map((failure) => ({ ...failure, index: indexes.get(part[failure.index])! })),
    ),
  };
}
