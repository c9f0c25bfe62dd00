/** Packs of a tier whose disk is away are neither gone nor freed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '../../scripts/lib/process.js';
import { parityPathOf } from '../../src/content/packs.js';
import {
  benchForEach,
  closeBench,
  openBench,
  packBytes,
  packFile,
  randomBytes,
  SLOW,
  type Bench,
} from './fixture.js';

let bench: Bench;
benchForEach(
  (made) => (bench = made),
  () => bench,
);

const MIB = 1 << 20;
const hdd = (): string => join(bench.directory, 'hdd');
const slow = () => bench.tiers.byId(SLOW)!;

/** What is known of the tiers is a while old: nobody looked since. */
function takeAway(): void {
  renameSync(hdd(), `${hdd()}.away`);
  mkdirSync(hdd());
}

function bringBack(): void {
  rmdirSync(hdd());
  renameSync(`${hdd()}.away`, hdd());
}

/** A sealed pack with one file, and where it lies. */
async function sealedPack(): Promise<string> {
  await packFile(bench, 10, randomBytes(1, 8 * MIB));
  await closeBench(bench);
  bench = await openBench(bench.directory);
  const path = bench.tiers.packPath(slow(), bench.content.packs()[0].packId);
  assert.ok(existsSync(path) && existsSync(parityPathOf(path)));
  return path;
}

async function deleteWhileAway(): Promise<void> {
  takeAway();
  bench.content.releaseRecipe(10);
  const { packsRemoved, bytesFreed, chunksRemoved } = await bench.content.reclaimAll();
  assert.deepEqual({ packsRemoved, bytesFreed }, { packsRemoved: 0, bytesFreed: 0 });
  assert.ok(chunksRemoved > 0);
  assert.equal(slow().state, 'missing', 'it was looked at');
  assert.ok(packBytes(bench) > 8 * MIB);
  assert.equal(bench.complaints.length, 1);
  assert.match(bench.complaints.splice(0)[0], /^tier hdd: .* has lost its marker/);
}

test('a pack whose files are deleted while its disk is away goes when that is back', async () => {
  const path = await sealedPack();
  await deleteWhileAway();
  bringBack();
  assert.ok(existsSync(path));
  await bench.tiers.refresh();
  const { packsRemoved, bytesFreed } = await bench.content.reclaimAll();
  assert.ok(bytesFreed > 8 * MIB);
  assert.deepEqual([packsRemoved, packBytes(bench)], [1, 0]);
  assert.deepEqual([existsSync(path), existsSync(parityPathOf(path))], [false, false]);
});

test('or else after the next start', async () => {
  const path = await sealedPack();
  await deleteWhileAway();
  await closeBench(bench);
  bringBack();
  bench = await openBench(bench.directory);
  await bench.content.reclaimAll();
  assert.deepEqual([existsSync(path), packBytes(bench)], [false, 0]);
});

test('a disk that goes between the doom of a pack and its end keeps it, doomed', async (t) => {
  const path = await sealedPack();
  bench.content.releaseRecipe(10);
  const commit = bench.store.commit.bind(bench.store);
  let commits = 0;
  t.mock.method(bench.store, 'commit', async () => {
    await commit();
    if (commits++ === 0) takeAway();
  });
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 0);
  t.mock.restoreAll();
  bench.complaints.splice(0);
  bringBack();
  await bench.tiers.refresh();
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 1);
  assert.equal(existsSync(path), false);
});

test('a pack that was lost already is not given up while its disk is away', async () => {
  const path = await sealedPack();
  renameSync(path, `${path}.away`);
  await assert.rejects(bench.content.openFor(10), { code: 'EIO' });
  bench.complaints.splice(0);
  renameSync(`${path}.away`, path);
  takeAway();
  bench.content.releaseRecipe(10);
  await bench.content.reclaimAll();
  assert.ok(packBytes(bench) > 8 * MIB);
  bringBack();
  await bench.tiers.refresh();
  await waitFor('its file is seen again', async () => {
    await bench.content.reclaimAll();
    return !existsSync(path);
  });
  assert.equal(packBytes(bench), 0);
});
