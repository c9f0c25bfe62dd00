/**
 * What packing saves, counted as it happens: file bytes of all recipes, and raw and stored bytes of the
 * chunks they name, each chunk once. Table `meta`, key `content/savings`.
 */
import type { Store } from '../store/types.js';

const VERSION = 1;
/** With bytes that were stored again. */
const COPIES_VERSION = 2;
const KEY = Buffer.from('content/savings', 'latin1');

export interface SavingsCounters {
  /** Bytes of all files that have a recipe. */
  logical: number;
  /** Decoded and stored bytes of the chunks in the index. */
  unique: number;
  stored: number;
  /** Of the stored bytes, those of copies: chunks stored again so that a file can be read in order. */
  again: number;
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
    add({ logical = 0, unique = 0, stored = 0, again = 0 }) {
      counters.logical += logical;
      counters.unique += unique;
      counters.stored += stored;
      counters.again += again;
      dirty = true;
      store.touch();
    },
  };
}

export function readSavings(store: Store): SavingsCounters {
  return decodeCounters(store.table('meta').get(KEY));
}

function encodeCounters({ logical, unique, stored, again }: SavingsCounters): Buffer {
  const value = Buffer.alloc(again === 0 ? 32 : 40);
  value[0] = again === 0 ? VERSION : COPIES_VERSION;
  value.writeBigInt64LE(BigInt(logical), 8);
  value.writeBigInt64LE(BigInt(unique), 16);
  value.writeBigInt64LE(BigInt(stored), 24);
  if (again !== 0) value.writeBigInt64LE(BigInt(again), 32);
  return value;
}

function decodeCounters(value: Buffer | undefined): SavingsCounters {
  if (!value) return { logical: 0, unique: 0, stored: 0, again: 0 };
  const hasCopies = value[0] === COPIES_VERSION;
  if (value[0] !== VERSION && !hasCopies)
    throw new Error(`savings record of unknown version ${value[0]}`);
  const at = (offset: number): number => Number(value.readBigInt64LE(offset));
  return { logical: at(8), unique: at(16), stored: at(24), again: hasCopies ? at(32) : 0 };
}
