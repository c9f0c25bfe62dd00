/**
 * The mark of a clean end: there only between an orderly close and the next opening that changes
 * something. Without it a start looks for what a crash may have left.
 */
import { commitWhereRoom } from './commit.js';
import { META_TABLE } from './format.js';
import type { Store } from './types.js';

const KEY = Buffer.from('clean');

/**
 * Takes the mark away, durably where the disk has room. Where not, it goes with the first group that lands, and until then
 * `failed` keeps files from being created: a crash leaves nothing that it would hide. @returns whether it was there
 */
export async function takeCleanMark(store: Store): Promise<boolean> {
  const meta = store.table(META_TABLE);
  if (meta.get(KEY) === undefined) return false;
  meta.remove(KEY);
  await commitWhereRoom(store);
  return true;
}

/** Part of the last group before the store is closed. */
export function setCleanMark(store: Store): void {
  store.table(META_TABLE).put(KEY, Buffer.from([1]));
}
