/** A tier that the volume has no more takes along only what was there and nowhere else, and new data brings that back. */
import assert from 'node:assert/strict';
import { beforeEach, afterEach, test } from 'node:test';
import { hashOf } from '../../src/content/names.js';
import { decodeLocation } from '../../src/content/records.js';
import { native } from '../../src/native.js';
import {
  assertReads,
  closeBench,
  createBench,
  FAST,
  openBench,
  packFile,
  randomBytes,
  removeBench,
  SLOW,
  withoutTier,
  type Bench,
} from './fixture.js';

const MIB = 1 << 20;
const onSlow = randomBytes(1, 4 * MIB);
const onFast = randomBytes(2, 4 * MIB);
const onBoth = Buffer.concat([onFast, onSlow]);

let bench: Bench;
beforeEach(async () => void (bench = await createBench()));
afterEach(() => removeBench(bench));

/** Inodes 10 to 12: what is only on the slow tier, only on the fast one, and on both. */
async function packThree(): Promise<void> {
  await packFile(bench, 10, onSlow, { tier: SLOW });
  await packFile(bench, 11, onFast, { tier: FAST });
  await packFile(bench, 12, onBoth, { tier: FAST });
}

async function loseSlow(): Promise<void> {
  await closeBench(bench);
  withoutTier(bench.directory, SLOW);
  bench = await openBench(bench.directory);
  await bench.content.loseChunks();
  bench.content.forgetLostPacks();
  await bench.store.commit();
}

async function assertLost(ino: number, at: number, length: number): Promise<void> {
  const handle = bench.content.openPlan(await bench.content.planFor(ino));
  await assert.rejects(native.readPlan(handle, at, length), { code: 'EIO' });
  handle.close();
}

test('what was on both tiers can be read as far as it is there, and gives EIO beyond', async () => {
  await packThree();
  await loseSlow();
  await assertReads(bench, 11, onFast);
  const handle = bench.content.openPlan(await bench.content.planFor(12));
  // Chunks at the border of the two are of neither file.
  const half = await native.readPlan(handle, 0, 3 * MIB);
  assert.ok(half.equals(onFast.subarray(0, 3 * MIB)));
  const { bad } = await native.checkPlan(handle, native.createCopyControl());
  assert.ok(bad.length > 20);
  handle.close();
  for (const at of [0, MIB, 4 * MIB - 1]) await assertLost(10, at, 1);
  await assertLost(12, 7 * MIB, 1);
  await assertLost(12, 3 * MIB, 4 * MIB);
  assert.deepEqual(
    bench.content.packs().map(({ tier }) => tier),
    [FAST],
  );
});

test('the same data is stored anew, not taken for stored, and brings back every file that lost it', async () => {
  await packThree();
  await loseSlow();
  const { newBytes } = await packFile(bench, 20, onSlow, { tier: FAST });
  assert.ok(newBytes >= onSlow.length, `${newBytes} bytes were stored`);
  await assertReads(bench, 20, onSlow);
  await assertReads(bench, 10, onSlow);
  await assertReads(bench, 12, onBoth);
  assert.deepEqual(bench.content.damage(), { badChunks: 0, lostPacks: [] });
});

test('a crash between the steps loses nothing more, and all of it is done again', async () => {
  await packThree();
  await closeBench(bench);
  withoutTier(bench.directory, SLOW);
  for (let round = 0; round < 2; round++) {
    bench = await openBench(bench.directory);
    await bench.content.loseChunks();
    await bench.store.close();
  }
  bench = await openBench(bench.directory);
  const { badChunks } = bench.content.damage();
  await bench.content.loseChunks();
  assert.equal(bench.content.damage().badChunks, badChunks);
  bench.content.forgetLostPacks();
  await assertReads(bench, 11, onFast);
});

test('deleting what is lost leaves nothing of it', async () => {
  await packThree();
  await loseSlow();
  bench.content.releaseRecipe(10);
  bench.content.releaseRecipe(12);
  await bench.content.reclaimAll();
  assert.deepEqual(bench.content.damage(), { badChunks: 0, lostPacks: [] });
  const { logicalBytes, storedBytes } = bench.content.savings();
  const [pack] = bench.content.packs();
  assert.deepEqual([logicalBytes, storedBytes], [onFast.length, pack.live]);
  await assertReads(bench, 11, onFast);
});

test('a chunk that was stored twice is not lost with one of the tiers', async () => {
  const first = randomBytes(3, 40 * MIB);
  const second = Buffer.from(first);
  for (let at = 0; at < second.length; at += 256 * 1024) second.write('another', at);
  await packFile(bench, 10, first, { tier: SLOW });
  // This tier seeks, so for this file some is stored again; then it goes to the other one.
  await packFile(bench, 11, second, { tier: SLOW, jumpRate: 1 });
  await bench.content.relocate(11, FAST);
  await loseSlow();
  await assertReads(bench, 11, second);
  const chunks = bench.store.table('chunks');
  const isBad = (name: Buffer): boolean => decodeLocation(chunks.get(name)!).bad;
  const copies = Array.from(chunks.range(Buffer.of(0)), ({ key }) => key).filter(
    ({ length }) => length === 33,
  );
  assert.ok(copies.length > 0);
  for (const copy of copies) {
    assert.deepEqual([isBad(copy), isBad(hashOf(copy))], [false, false], copy.toString('hex'));
  }
  assert.ok(bench.content.damage().badChunks > 0, 'and others are');
});
