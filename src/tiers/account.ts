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
    return decode(table.get(keyOf(tierId, kind)));
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

/** Bytes, by the ids of the tiers that ever had any, also of those that the volume has no more. */
export function accountedTiers(store: Store): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const { key, value } of store
    .table('meta')
    .range(Buffer.from('tier/'), Buffer.from('tier0'))) {
    const id = Number(key.toString('latin1').split('/')[1]);
    bytes.set(id, (bytes.get(id) ?? 0) + decode(value));
  }
  return bytes;
}

/** Has a tier stand among the above, with what is accounted to it. Part of the current transaction, as the next. */
export function keepAccount(store: Store, tierId: number): void {
  const [table, key] = [store.table('meta'), keyOf(tierId, 'plain')];
  table.put(key, table.get(key) ?? Buffer.alloc(8));
}

export function forgetAccount(store: Store, tierId: number): void {
  for (const kind of ['plain', 'packed'] as const) store.table('meta').remove(keyOf(tierId, kind));
}

function decode(value: Buffer | undefined): number {
  return value?.length === 8 ? Number(value.readBigUInt64LE()) : 0;
}

function keyOf(tierId: number, kind: AccountKind): Buffer {
  return Buffer.from(`tier/${tierId}/${kind}`, 'latin1');
}
