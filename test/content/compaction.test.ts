/** What keeps a pack from being compacted, and for how long. */
import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { sliceChunks } from '../../src/content/chunk-index.js';
import { parityPathOf } from '../../src/content/packs.js';
import {
  assertReads,
  benchForEach,
  closeBench,
  openBench,
  packBytes,
  packFile,
  randomBytes,
  readBack,
  SLOW,
  type Bench,
} from './fixture.js';

let bench: Bench;
benchForEach(
  (made) => (bench = made),
  () => bench,
);

const MIB = 1 << 20;
const keep = randomBytes(1, 3 * MIB);
const HOUR_MS = 3_600_000;

/** One sealed pack with two files. @returns its path */
async function sealedPack(): Promise<string> {
  await packFile(bench, 10, keep);
  await packFile(bench, 11, randomBytes(2, 30 * MIB));
  await closeBench(bench);
  bench = await openBench(bench.directory);
  const [path] = (await bench.content.planFor(10)).packPaths;
  assert.equal(bench.content.packs().length, 1);
  return path;
}

/** Overwrites a block within the data of the file that is kept. @returns what puts it right again */
async function damage(path: string): Promise<() => Promise<void>> {
  const { offsets } = await bench.content.planFor(10);
  const at = Math.ceil((offsets[5] + 1000) / 4096) * 4096;
  const before = Buffer.alloc(4096);
  const write = async (bytes: Buffer): Promise<void> => {
    const file = await open(path, 'r+');
    await file.read(before, 0, before.length, at);
    await file.write(bytes, 0, bytes.length, at);
    await file.close();
  };
  await write(randomBytes(3, 4096));
  return () => write(Buffer.from(before));
}

async function deleteOther(): Promise<number> {
  bench.content.releaseRecipe(11);
  return (await bench.content.reclaimAll()).bytesFreed;
}

const complainedOf = (text: RegExp): void => {
  const complaints = bench.complaints.splice(0);
  assert.ok(complaints.length > 0);
  for (const complaint of complaints) assert.match(complaint, text);
};

test('a damaged record keeps no space: it is mended, and the pack compacted, at once', async () => {
  const path = await sealedPack();
  await damage(path);
  assert.ok((await deleteOther()) > 29 * MIB);
  assert.equal(existsSync(path), false);
  assert.ok(packBytes(bench) < 4 * MIB);
  await assertReads(bench, 10, keep);
  complainedOf(/is damaged and was not moved|were mended from parity/);
});

/** One that can't be compacted. */
async function stuckPack(): Promise<{ path: string; repair: () => Promise<void> }> {
  const path = await sealedPack();
  const repair = await damage(path);
  renameSync(parityPathOf(path), `${path}.parity`);
  assert.ok((await deleteOther()) <= 0);
  complainedOf(/is damaged and was not moved/);
  assert.equal((await bench.content.reclaimAll()).bytesMoved, 0);
  return { path, repair };
}

test('a pack that could not be compacted is as soon as it was healed', async () => {
  const { path } = await stuckPack();
  renameSync(`${path}.parity`, parityPathOf(path));
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 0);
  const names = sliceChunks(bench.store, undefined, 1000).filter(({ location }) => location.bad);
  assert.equal((await bench.content.heal(names.map(({ name }) => name))).length, 1);
  const { packsRemoved, bytesFreed } = await bench.content.reclaimAll();
  assert.ok(packsRemoved === 1 && bytesFreed > 30 * MIB);
  assert.equal(existsSync(path), false);
  await assertReads(bench, 10, keep);
  complainedOf(/were mended from parity/);
});

test('nor is it kept for ever where nothing is known to have changed', async (t) => {
  const { path, repair } = await stuckPack();
  await repair();
  await bench.content.keepParity();
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 0);
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + HOUR_MS);
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 1);
  assert.equal(existsSync(path), false);
  await assertReads(bench, 10, keep);
  complainedOf(/were mended from parity/);
});

test('a disk that was away while a pack was to be compacted keeps none of its space', async (t) => {
  const path = await sealedPack();
  const { refresh } = bench.tiers;
  const slow = bench.tiers.byId(SLOW)!;
  t.mock.method(bench.tiers, 'refresh', async () => {
    await refresh();
    Object.assign(slow, { state: 'missing' });
  });
  renameSync(path, `${path}.away`);
  await deleteOther();
  complainedOf(/could not be compacted/);
  t.mock.restoreAll();
  renameSync(`${path}.away`, path);
  await bench.tiers.refresh();
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 1);
  await assertReads(bench, 10, keep);
});

test('what can not be mended loses nothing that could be read', async () => {
  await stuckPack();
  await assert.rejects(readBack(bench, 10), { code: 'EIO' });
  assert.equal(bench.content.damage().badChunks, 1);
});
