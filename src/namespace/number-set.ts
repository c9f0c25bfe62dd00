/** A set of inode numbers in a table: the key is the number, the value one byte. */
import type { Table } from '../store/types.js';
import { numberKey, readNumber } from './keys.js';

/** Above all numbers. */
const END = 2 ** 64 - 2 ** 32;

export interface NumberSet {
  add(ino: number): void;
  delete(ino: number): void;
  /** Ascending; up to `limit`. */
  values(limit?: number): number[];
}

const PRESENT = Buffer.from([1]);

/** With a `prefix` to its keys, in a table that has others too. */
export function createNumberSet(table: Table, prefix = ''): NumberSet {
  const before = Buffer.from(prefix);
  const keyOf =
    prefix === '' ? numberKey : (ino: number) => Buffer.concat([before, numberKey(ino)]);
  return {
    add: (ino) => table.put(keyOf(ino), PRESENT),
    delete: (ino) => table.remove(keyOf(ino)),
    values(limit = Infinity) {
      const found: number[] = [];
      for (const { key } of table.range(keyOf(0), keyOf(END))) {
        if (found.length === limit) break;
        found.push(readNumber(key, prefix.length));
      }
      return found;
    },
  };
}
