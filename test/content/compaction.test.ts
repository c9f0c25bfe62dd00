/** What keeps a pack from being compacted, and for how long. */
import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { sliceChunks } from '../../src/content/chunk-index.js';
import { parityPathOf } from '../../src/content/packs.js';
import type { Tier } from '../../src/tiers/types.js';
import {
  assertReads,
  benchForEach,
  changeWriters,
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

/** From now on so much is free on every tier, until the next call. */
function setFree(t: TestContext, free: number): void {
  t.mock.restoreAll();
  const { usage } = bench.tiers;
  t.mock.method(bench.tiers, 'usage', (tier: Tier) => ({ ...usage(tier), free }));
}

const reasons = async () => {
  const { deadBytes, noRoom, deadBesideDamage } = await bench.content.reclaimAll();
  return { deadBytes, noRoom, deadBesideDamage };
};

test('where there is no room for the rest of a pack gc says so, and how much it takes', async (t) => {
  await sealedPack();
  setFree(t, 2 * MIB);
  bench.content.releaseRecipe(11);
  const { deadBytes, noRoom, deadBesideDamage } = await reasons();
  const [{ live: neededBytes }] = bench.content.packs();
  assert.ok(neededBytes > 3 * MIB && deadBytes > 30 * MIB);
  assert.equal(deadBesideDamage, 0);
  assert.deepEqual(noRoom, [{ tier: 'hdd', deadBytes, neededBytes, freeBytes: 2 * MIB }]);
  setFree(t, neededBytes);
  assert.deepEqual(await reasons(), { deadBytes: 0, noRoom: [], deadBesideDamage: 0 });
  await assertReads(bench, 10, keep);
});

test('who made room and asks for it need not wait until background work tries again', async (t) => {
  await sealedPack();
  let isFull = true;
  changeWriters(t, (writer) => {
    const copy = writer.copyRecords.bind(writer);
    const refused = Object.assign(new Error('no room'), { code: 'ENOSPC' });
    writer.copyRecords = (...of) => (isFull ? Promise.reject(refused) : copy(...of));
  });
  bench.content.releaseRecipe(11);
  assert.equal((await reasons()).noRoom.length, 1);
  complainedOf(/could not be compacted/);
  isFull = false;
  assert.equal((await bench.content.reclaim()).packsRemoved, 0);
  assert.equal((await bench.content.reclaimAll()).packsRemoved, 1);
});

test('gc says which space stays for damage, and which since most of its pack is needed', async () => {
  await stuckPack();
  const { deadBytes, ...others } = await reasons();
  assert.deepEqual(others, { noRoom: [], deadBesideDamage: deadBytes });
  assert.ok(deadBytes > 29 * MIB);
  await packFile(bench, 20, randomBytes(5, 4 * MIB));
  await packFile(bench, 21, randomBytes(6, MIB));
  bench.content.releaseRecipe(21);
  const more = await reasons();
  assert.ok(more.deadBytes - deadBytes > 0.9 * MIB);
  assert.deepEqual(more.deadBesideDamage, deadBytes);
});
