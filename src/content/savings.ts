/**
 * What packing saves, counted as it happens: file bytes of all recipes, and raw and stored bytes of the
 * chunks they name, each chunk once. Table `meta`, key `content/savings`.
 */
import type { Store } from '../store/types.js';

const VERSION = 1;
const KEY = Buffer.from('content/savings', 'latin1');

export interface SavingsCounters {
  /** Bytes of all files that have a recipe. */
  logical: number;
  /** Decoded and stored bytes of the chunks in the index. */
  unique: number;
  stored: number;
}

export interface Savings {
  /** Part of this turn's transaction. Differences, in bytes. */
  add(change: Partial<SavingsCounters>): void;
  counters(): Readonly<SavingsCounters>;
}

export function createSavings(store: Store): Savings {
  const table = store.table('meta');
  const counters = decodeCounters(table.get(KEY));
  let dirty = false;

  function write(): void {
    dirty = false;
    table.put(KEY, encodeCounters(counters));
  }

  store.beforeCommit(() => {
    if (dirty) write();
  });
  return {
    counters: () => counters,
    add({ logical = 0, unique = 0, stored = 0 }) {
      counters.logical += logical;
      counters.unique += unique;
      counters.stored += stored;
      dirty = true;
      store.touch();
    },
  };
}

export function readSavings(store: Store): SavingsCounters {
  return decodeCounters(store.table('meta').get(KEY));
}

function encodeCounters({ logical, unique, stored }: SavingsCounters): Buffer {
  const value = Buffer.alloc(32);
  value[0] = VERSION;
  value.writeBigInt64LE(BigInt(logical), 8);
  value.writeBigInt64LE(BigInt(unique), 16);
  value.writeBigInt64LE(BigInt(stored), 24);
  return value;
}

function decodeCounters(value: Buffer | undefined): SavingsCounters {
  if (!value) return { logical: 0, unique: 0, stored: 0 };
  if (value[0] !== VERSION) throw new Error(`savings record of unknown version ${value[0]}`);
  const at = (offset: number): number => Number(value.readBigInt64LE(offset));
  return { logical: at(8), unique: at(16), stored: at(24) };
}
