/**
 * Bytes accounted to each tier, kept in the `meta` table: a change is part of the transaction that
 * moves the bytes. Keys: README.md here.
 */
import type { Store } from '../store/types.js';

export type AccountKind = 'plain' | 'packed';

export interface Account {
  get(kind: AccountKind): number;
  /** Synchronous: lands in the transaction of this turn. Never below zero. */
  add(kind: AccountKind, bytes: number): void;
}

export function openAccount(store: Store, tierId: number): Account {
  const table = store.table('meta');
  const bytesOf = { plain: read('plain'), packed: read('packed') };

  function read(kind: AccountKind): number {
    const value = table.get(keyOf(tierId, kind));
    return value?.length === 8 ? Number(value.readBigUInt64LE()) : 0;
  }

  return {
    get: (kind) => bytesOf[kind],
    add(kind, bytes) {
      if (bytes === 0) return;
      const sum = Math.max(0, bytesOf[kind] + bytes);
      bytesOf[kind] = sum;
      const value = Buffer.alloc(8);
      value.writeBigUInt64LE(BigInt(Math.round(sum)));
      table.put(keyOf(tierId, kind), value);
    },
  };
}

function keyOf(tierId: number, kind: AccountKind): Buffer {
  return Buffer.from(`tier/${tierId}/${kind}`, 'latin1');
}
