/**
 * The mark of a clean end: there only between an orderly close and the next opening that changes
 * something. Without it a start looks for what a crash may have left.
 *
 * Where a full disk keeps the mark from being taken away, an empty file beside the database says that it means nothing:
 * that needs no room, or next to none. The next start that can take the mark away removes the file.
 */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../native.js';
import { commitWhereRoom } from './commit.js';
import { META_TABLE } from './format.js';
import type { Store } from './types.js';

const KEY = Buffer.from('clean');
const VOID_FILE = 'unclean';

/** Takes the mark of the store in a directory away, durably. @returns whether it was there, and meant something */
export async function takeCleanMark(store: Store, directory: string): Promise<boolean> {
  const meta = store.table(META_TABLE);
  const path = join(directory, VOID_FILE);
  const marked = meta.get(KEY) !== undefined;
  const isVoid = existsSync(path);
  if (marked) meta.remove(KEY);
  if (!marked && !isVoid) return false;
  if (await commitWhereRoom(store)) rmSync(path, { force: true });
  else if (!isVoid) await voidMark(path, directory);
  return marked && !isVoid;
}

/** Where there is no room for this either, a crash leaves files that `fsck` finds, and takes nothing. */
async function voidMark(path: string, directory: string): Promise<void> {
  try {
    closeSync(openSync(path, 'a', 0o600));
    await native.syncDirectory(directory);
  } catch {
    // `failed` says that the disk is full.
  }
}

/** Part of the last group before the store is closed. */
export function setCleanMark(store: Store): void {
  store.table(META_TABLE).put(KEY, Buffer.from([1]));
}
