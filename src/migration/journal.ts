/**
 * The journal of moves, table `jobs`: a record is durable before a move writes its first byte, and
 * goes when nothing is left to clean up. Format: README.md here.
 */
import type { Store } from '../store/types.js';

const JOURNAL_FORMAT = 1;

export interface JobRecord {
  ino: number;
  /** Tier id of the backing file that the move replaces, 0 for none. */
  source: number;
  /** Tier id where a plain copy is built, 0 where the target form is packed. */
  target: number;
}

export interface Journal {
  /** Resolves when the record is durable. @returns its key. */
  begin(record: JobRecord): Promise<Buffer>;
  end(key: Buffer): void;
  /** Records of an earlier run. */
  all(): Journaled[];
}

export interface Journaled {
  key: Buffer;
  record: JobRecord;
}

export function openJournal(store: Store): Journal {
  const table = store.table('jobs');
  // Records that recovery had to leave (their tier is missing) must not be overwritten.
  let next = 1 + journaled(store).reduce((last, { key }) => Math.max(last, numberOf(key)), 0);

  return {
    all: () => journaled(store),
    async begin(record) {
      const key = Buffer.alloc(8);
      key.writeBigUInt64BE(BigInt(next++));
      table.put(key, Buffer.from(JSON.stringify({ v: JOURNAL_FORMAT, ...record })));
      await store.commit();
      return key;
    },
    end: (key) => table.remove(key),
  };
}

/** Moves that were cut off, of a volume in which none is running. */
export function cutMoves(store: Store): JobRecord[] {
  return journaled(store).map(({ record }) => record);
}

function journaled(store: Store): Journaled[] {
  const rows = store.table('jobs').range(Buffer.alloc(0));
  return Array.from(rows, ({ key, value }) => ({ key, record: decode(value) }));
}

const numberOf = (key: Buffer): number => Number(key.readBigUInt64BE());

function decode(value: Buffer): JobRecord {
  const { v, ino, source, target } = JSON.parse(value.toString('utf8')) as JobRecord & {
    v: number;
  };
  if (v !== JOURNAL_FORMAT) {
    throw new Error(`job journal has format ${v}, this version knows ${JOURNAL_FORMAT}`);
  }
  return { ino, source, target };
}
