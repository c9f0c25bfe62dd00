/** Deleting while the disk of a tier is away: its bytes are not forgotten, they go when it is back. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { waitFor } from '../../scripts/lib/process.js';
import { afterCrash, isThere, ME, randomBytesOf, ROOT_INO, world, type World } from './world.js';

const MIB = 1 << 20;

/** What is known of the tiers is a while old: nobody looked since. */
function takeAway({ root }: World, tier: string): void {
  renameSync(join(root, tier), join(root, `${tier}.away`));
  mkdirSync(join(root, tier));
}

function bringBack({ root }: World, tier: string): void {
  rmdirSync(join(root, tier));
  renameSync(join(root, `${tier}.away`), join(root, tier));
}

async function remove(w: World, name: string, ino: number): Promise<void> {
  await w.operations.unlink(ME, ROOT_INO, name);
  w.operations.forget(ino);
  await w.filesystem.releaseDeleted();
}

const used = (w: World, tier: string) => {
  const { plainBytes, packedBytes } = w.tiers.usage(w.tiers.byName(tier)!);
  return { plainBytes, packedBytes };
};
const NOTHING_USED = { plainBytes: 0, packedBytes: 0 };

/** A file on the disk that goes away; its backing file. */
async function plainFile(t: TestContext): Promise<{ w: World; ino: number; path: string }> {
  const w = await world(t);
  const ino = await w.add('big', randomBytesOf('big', 3 * MIB));
  await w.demote(ino, false);
  return { w, ino, path: w.backingPath(ino) };
}

test('a plain file that is deleted while its disk is away goes as soon as the disk is back', async (t) => {
  const { w, ino, path } = await plainFile(t);
  takeAway(w, 'hdd');
  await remove(w, 'big', ino);
  assert.equal(w.tiers.byName('hdd')!.state, 'missing', 'it was looked at');
  assert.deepEqual(w.namespace.orphans(), [ino]);
  assert.ok(used(w, 'hdd').plainBytes >= 3 * MIB, 'nothing was freed');
  await w.filesystem.releaseDeleted();
  assert.deepEqual(w.namespace.orphans(), [ino]);
  bringBack(w, 'hdd');
  assert.ok(await isThere(path));
  await w.filesystem.releaseDeleted();
  assert.equal(await isThere(path), false);
  assert.deepEqual([w.namespace.orphans(), used(w, 'hdd')], [[], NOTHING_USED]);
});

test('nobody has to ask for it, and nothing else has to be deleted', async (t) => {
  // A wait of seconds is one of milliseconds.
  const { setTimeout: wait } = globalThis;
  t.mock.method(globalThis, 'setTimeout', (run: () => void, ms = 0) => wait(run, ms / 1000));
  const { w, ino, path } = await plainFile(t);
  takeAway(w, 'hdd');
  await remove(w, 'big', ino);
  bringBack(w, 'hdd');
  await waitFor('it goes', () => !existsSync(path));
});

test('or else at the next start', async (t) => {
  const { w, ino } = await plainFile(t);
  takeAway(w, 'hdd');
  await remove(w, 'big', ino);
  await w.end();
  bringBack(w, 'hdd');
  const after = await afterCrash(t, w);
  assert.deepEqual(after.namespace.orphans(), [ino]);
  await after.filesystem.recover(true);
  assert.equal(await isThere(after.tiers.backingPath(after.tiers.byName('hdd')!, ino)), false);
});

test('a backing file that somebody removed keeps no orphan', async (t) => {
  const { w, ino, path } = await plainFile(t);
  renameSync(path, `${path}.moved`);
  await remove(w, 'big', ino);
  assert.deepEqual([w.namespace.orphans(), used(w, 'hdd')], [[], NOTHING_USED]);
});
