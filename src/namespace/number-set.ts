/** A set of inode numbers in a table: the key is the number, the value one byte. */
import type { Table } from '../store/types.js';
import { numberKey, readNumber } from './keys.js';

export interface NumberSet {
  add(ino: number): void;
  delete(ino: number): void;
  /** Ascending. */
  values(): number[];
}

const PRESENT = Buffer.from([1]);
const FIRST = numberKey(0);

export function createNumberSet(table: Table): NumberSet {
  return {
    add: (ino) => table.put(numberKey(ino), PRESENT),
    delete: (ino) => table.remove(numberKey(ino)),
    values: () => Array.from(table.range(FIRST), ({ key }) => readNumber(key, 0)),
  };
}
