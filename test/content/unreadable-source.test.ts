/** Needs root: the medium that chunks are copied from can't read some of them, or is gone. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { sliceChunks } from '../../src/content/chunk-index.js';
import { native } from '../../src/native.js';
import { loopFilesystem, makeUnreadable, shutDown, type LoopKind } from '../loop-filesystem.js';
import {
  assertReads,
  createBench,
  FAST,
  packFile,
  randomBytes,
  removeBench,
  SLOW,
  writeParity,
  type Bench,
} from './fixture.js';

const MIB = 1 << 20;
const bytes = randomBytes(1, 8 * MIB);

/** Its faster tier has a filesystem of its own, with `bytes` packed there as inode 10. */
async function benchOn(kind: LoopKind, t: TestContext): Promise<{ bench: Bench; nvme: string }> {
  const ends: (() => void)[] = [];
  const nvme = loopFilesystem(kind, (end) => ends.push(end));
  const bench = await createBench({ tierPaths: { nvme } });
  t.after(() => ends.forEach((end) => end()));
  await packFile(bench, 10, bytes, { tier: FAST });
  return { bench, nvme };
}

/** How many chunks of a file lie on a tier. */
async function chunksOn(bench: Bench, ino: number, tier: number): Promise<number> {
  const plan = await bench.content.planFor(ino);
  const packs = bench.content.packs().filter((pack) => pack.tier === tier);
  const numbers = packs.map(({ packId }) => plan.packIds.indexOf(packId));
  return plan.packs.filter((number) => numbers.includes(number)).length;
}

test('a sector that can not be read keeps its chunk where it is, and fails no other job', async (t) => {
  const { bench, nvme } = await benchOn('btrfs', t);
  makeUnreadable(nvme, bytes.subarray(4 * MIB, 4 * MIB + 64));
  const other = randomBytes(2, 32 * MIB);
  await Promise.all([
    packFile(bench, 11, other, { batchBytes: MIB }),
    bench.content.relocate(10, SLOW),
  ]);
  assert.equal(bench.complaints.length, 1);
  assert.match(bench.complaints[0], /a chunk is damaged and was not moved/);
  assert.equal(await chunksOn(bench, 10, FAST), 1);
  await assert.rejects(assertReads(bench, 10, bytes), { code: 'EIO' });
  await assertReads(bench, 11, other);
  await packFile(bench, 12, bytes);
  await assertReads(bench, 10, bytes);
  await removeBench(bench);
});

test('a sector that can not be read is written anew, from parity', async (t) => {
  const { bench, nvme } = await benchOn('btrfs', t);
  await writeParity(bench);
  makeUnreadable(nvme, bytes.subarray(4 * MIB, 4 * MIB + 64));
  const plan = native.openPlan(await bench.content.planFor(10));
  const { bad } = await native.checkPlan(plan);
  assert.equal(bad.length, 1);
  const [pack] = (await bench.content.planFor(10)).packPaths;
  assert.equal(bench.content.markRead(10, bad[0], `${pack}.other`), undefined);
  const name = bench.content.markRead(10, bad[0], pack)!;
  assert.equal(bench.content.damage().badChunks, 1);
  assert.equal(await bench.content.healInPlace(name), true);
  assert.equal(bench.content.damage().badChunks, 0);
  assert.deepEqual([...(await native.checkPlan(plan)).bad], []);
  plan.close();
  await assertReads(bench, 10, bytes);
  await removeBench(bench);
});

test('a disk that goes away while chunks are copied from it marks none of them as damaged', async (t) => {
  const { bench, nvme } = await benchOn('xfs', t);
  shutDown(nvme);
  await assert.rejects(bench.content.relocate(10, SLOW), { code: 'EIO' });
  for (const { location } of sliceChunks(bench.store, undefined, 1000)) assert.ok(!location.bad);
  assert.ok(!bench.complaints.some((text) => text.startsWith('writing a pack failed')));
  await removeBench(bench);
});
