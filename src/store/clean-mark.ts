/**
 * The mark of a clean end: there only between an orderly close and the next opening that changes
 * something. Without it a start looks for what a crash may have left.
 */
import { META_TABLE } from './format.js';
import type { Store } from './types.js';

const KEY = Buffer.from('clean');

/** Takes the mark away, durably. @returns whether it was there */
export async function takeCleanMark(store: Store): Promise<boolean> {
  const meta = store.table(META_TABLE);
  if (meta.get(KEY) === undefined) return false;
  meta.remove(KEY);
  await store.commit();
  return true;
}

/** Part of the last group before the store is closed. */
export function setCleanMark(store: Store): void {
  store.table(META_TABLE).put(KEY, Buffer.from([1]));
}
