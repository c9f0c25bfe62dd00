/**
 * The generation of the namespace: a new one begins with each opening for writing, and after each copy that is made
 * while the volume is in use. So what is newer than a copy is of a later generation.
 */
import { META_TABLE } from './format.js';
import type { Store } from './types.js';

const KEY = Buffer.from('generation');

/** 0 in a volume whose last program knew none. */
export function generationOf(store: Store): number {
  return store.table(META_TABLE).get(KEY)?.readUInt32BE() ?? 0;
}

/** Part of the current group. */
export function setGeneration(store: Store, generation: number): void {
  const record = Buffer.alloc(4);
  record.writeUInt32BE(generation);
  store.table(META_TABLE).put(KEY, record);
}
