/** A full disk under the store. Needs root: mounts a tmpfs of a few MiB. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setCleanMark, takeCleanMark } from '../../src/store/clean-mark.js';
import { openStore } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';

const DISK = '4m';
const FILLER_BYTES = 3 << 20;
const ROWS = 300;

/** Unmounted even while a store has it open. */
function smallDisk(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'coral-reef-test', directory]);
  t.after(() => {
    execFileSync('umount', ['-l', directory]);
    rmdirSync(directory);
  });
  return directory;
}

const rowKey = (i: number): Buffer => Buffer.from(`row ${i}`);
const rowValue = (i: number): Buffer => Buffer.alloc(8192, i);

function writeRows(store: Store): void {
  for (let i = 0; i < ROWS; i++) store.table('t').put(rowKey(i), rowValue(i));
}

function checkRows(store: Store): void {
  for (let i = 0; i < ROWS; i++) assert.deepEqual(store.table('t').get(rowKey(i)), rowValue(i));
}

/** Only explicit commits; closed whatever happens. */
async function openQuiet(t: TestContext, directory: string): Promise<Store> {
  const store = await openStore(directory, { idleMs: 3_600_000, retryMs: 3_600_000 });
  t.after(() => store.close().catch(() => undefined));
  return store;
}

test('what a full disk did not take is kept, readable, and written when there is room', async (t) => {
  const directory = smallDisk(t);
  const database = join(directory, 'namespace');
  const filler = join(directory, 'filler');
  const store = await openQuiet(t, database);
  store.table('t').put(Buffer.from('before'), Buffer.from('kept'));
  await store.commit();
  writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
  writeRows(store);
  store.table('t').remove(Buffer.from('before'));
  await assert.rejects(store.commit(), { code: 'ENOSPC' });
  assert.equal((store.failed as NodeJS.ErrnoException).code, 'ENOSPC');
  assert.equal(store.pending, true);
  checkRows(store);
  store.table('t').put(rowKey(0), rowValue(0));
  for (let i = 0; i < 5; i++) await assert.rejects(store.commit(), { code: 'ENOSPC' });
  assert.equal(store.table('t').get(Buffer.from('before')), undefined);
  rmSync(filler);
  await store.commit();
  assert.equal(store.failed, null);
  await store.close();
  const again = await openQuiet(t, database);
  checkRows(again);
  assert.equal(again.table('t').get(Buffer.from('before')), undefined);
  await again.close();
});

test('a store on a full disk opens with what was durable', async (t) => {
  const directory = smallDisk(t);
  const database = join(directory, 'namespace');
  const store = await openQuiet(t, database);
  store.table('t').put(Buffer.from('before'), Buffer.from('kept'));
  await store.commit();
  writeFileSync(join(directory, 'filler'), Buffer.alloc(FILLER_BYTES));
  writeRows(store);
  await assert.rejects(store.close(), { code: 'ENOSPC' });
  const again = await openQuiet(t, database);
  assert.equal(String(again.table('t').get(Buffer.from('before'))), 'kept');
  assert.equal(again.table('t').get(rowKey(1)), undefined);
  await again.close();
});

test('a store cannot be created on a full disk, and that is an error, not a crash', async (t) => {
  const directory = smallDisk(t);
  assert.throws(() => writeFileSync(join(directory, 'filler'), Buffer.alloc(8 << 20)));
  await assert.rejects(openStore(join(directory, 'namespace')), { code: 'ENOSPC' });
});

test('the mark of a clean end is taken from a full disk as soon as there is room', async (t) => {
  const directory = smallDisk(t);
  const database = join(directory, 'namespace');
  const filler = join(directory, 'filler');
  const before = await openQuiet(t, database);
  setCleanMark(before);
  await before.close();
  const store = await openQuiet(t, database);
  writeFileSync(filler, Buffer.alloc(FILLER_BYTES));
  writeRows(store);
  assert.equal(await takeCleanMark(store), true);
  assert.equal((store.failed as NodeJS.ErrnoException).code, 'ENOSPC');
  rmSync(filler);
  await store.commit();
  await store.close();
  assert.equal(await takeCleanMark(await openQuiet(t, database)), false);
});
