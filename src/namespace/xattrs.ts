/** Extended attributes: key inode number and name, value as given. */
import type { Table } from '../store/types.js';
import { namespaceError } from './errors.js';
import { NUMBER_BYTES, numberAndName, numberKey } from './keys.js';
import type { Name } from './types.js';

export interface Xattrs {
  getXattr(ino: number, name: Name): Buffer | undefined;
  setXattr(ino: number, name: Name, value: Buffer): void;
  removeXattr(ino: number, name: Name): boolean;
  listXattrs(ino: number): Name[];
  /** Whether any inode has one, ACLs included. */
  hasXattrs(): boolean;
}

/** Limits of the kernel: XATTR_NAME_MAX and XATTR_SIZE_MAX. */
const MAX_NAME_BYTES = 255;
const MAX_VALUE_BYTES = 65536;

export function createXattrs(table: Table): Xattrs {
  return {
    getXattr(ino, name) {
      return isPossible(name) ? table.get(numberAndName(ino, name)) : undefined;
    },

    /** @throws ERANGE for a name, E2BIG for a value beyond the kernel's limit */
    setXattr(ino, name, value) {
      if (!isPossible(name)) {
        throw namespaceError('ERANGE', `an attribute name has 1 to ${MAX_NAME_BYTES} bytes`);
      }
      if (value.length > MAX_VALUE_BYTES) {
        throw namespaceError('E2BIG', `an attribute has at most ${MAX_VALUE_BYTES} bytes`);
      }
      table.put(numberAndName(ino, name), Buffer.from(value));
    },

    removeXattr(ino, name) {
      if (!isPossible(name)) return false;
      const key = numberAndName(ino, name);
      if (table.get(key) === undefined) return false;
      table.remove(key);
      return true;
    },

    listXattrs(ino) {
      const names: Name[] = [];
      for (const { key } of table.range(numberKey(ino), numberKey(ino + 1))) {
        names.push(key.toString('latin1', NUMBER_BYTES));
      }
      return names;
    },

    hasXattrs() {
      for (const _ of table.range(numberKey(0))) return true;
      return false;
    },
  };
}

function isPossible(name: Name): boolean {
  return name.length > 0 && name.length <= MAX_NAME_BYTES;
}
