/** Files with scattered changes on a medium that seeks: how they lie, what that costs, and that it comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findInRecord } from '../../src/content/chunk-index.js';
import { jumpCost, SPARE_JUMPS, type Span } from '../../src/content/jumps.js';
import { MAX_COPIES, SEEK_BYTES } from '../../src/content/limits.js';
import {
  assertReads,
  closeBench,
  FAST,
  openBench,
  packBytes,
  packFile,
  randomBytes,
  reclaimAll,
  SLOW,
  type Bench,
  benchForEach,
} from './fixture.js';

let bench: Bench;
benchForEach(
  (made) => (bench = made),
  () => bench,
);

const MIB = 1 << 20;
const HALF = { jumpRate: 1 };
const original = randomBytes(1, 48 * MIB);

/** A change in each `step` bytes. */
function changed(bytes: Buffer, version: number, step = 256 * 1024): Buffer {
  const result = Buffer.from(bytes);
  for (let at = version * 1000; at < result.length; at += step)
    result.write(`version ${version}`, at);
  return result;
}

/** What reading a file in order loses to jumps, in bytes that could be read meanwhile, and how many there are. */
async function jumpsOf(ino: number): Promise<{ cost: number; count: number }> {
  const plan = await bench.content.planFor(ino);
  let last: Span | undefined;
  let [cost, count] = [0, 0];
  plan.packs.forEach((pack, i) => {
    if (pack < 0) return;
    const start = plan.offsets[i];
    const span = { pack, start, end: start + plan.stored[i] };
    const jump = last ? jumpCost(last, span, SEEK_BYTES.hdd) : 0;
    cost += jump;
    count += jump > 0 ? 1 : 0;
    last = span;
  });
  return { cost, count };
}

const mostFor = (bytes: Buffer): number => SPARE_JUMPS * SEEK_BYTES.hdd + bytes.length;

test('a second version with scattered changes is read without too many jumps, and the first one still in order', async () => {
  await packFile(bench, 10, original);
  const next = changed(original, 1);
  const { newBytes } = await packFile(bench, 11, next, HALF);
  const jumps = await jumpsOf(11);
  assert.ok(jumps.cost <= mostFor(next), `${jumps.count} jumps cost ${jumps.cost}`);
  assert.deepEqual(await jumpsOf(10), { cost: 0, count: 0 });
  const { storedAgainBytes, dedupBytes } = bench.content.savings();
  assert.ok(storedAgainBytes > 0 && storedAgainBytes < newBytes);
  assert.ok(dedupBytes <= 2 * next.length - newBytes, 'a copy is no saving');
  await assertReads(bench, 10, original);
  await assertReads(bench, 11, next);
});

test('without a bound nothing is stored again, and jumps are many', async () => {
  await packFile(bench, 10, original);
  const next = changed(original, 1);
  await packFile(bench, 11, next);
  assert.equal(bench.content.savings().storedAgainBytes, 0);
  assert.ok((await jumpsOf(11)).cost > 2 * mostFor(next));
});

test('what did not change in large parts is not stored again', async () => {
  await packFile(bench, 10, original);
  const next = changed(original, 1, 16 * MIB);
  const { newBytes } = await packFile(bench, 11, next, HALF);
  assert.ok(newBytes < 2 * MIB, `${newBytes}`);
  assert.equal(bench.content.savings().storedAgainBytes, 0);
});

test('a third version takes the copies of the second one instead of more', async () => {
  await packFile(bench, 10, original);
  const second = changed(original, 1);
  await packFile(bench, 11, second, HALF);
  const before = bench.content.savings().storedAgainBytes;
  const third = Buffer.concat([second, randomBytes(9, MIB)]);
  const { newBytes } = await packFile(bench, 12, third, HALF);
  assert.ok(newBytes < 2 * MIB, `${newBytes}`);
  assert.equal(bench.content.savings().storedAgainBytes, before);
  assert.ok((await jumpsOf(12)).cost <= mostFor(third));
  await assertReads(bench, 12, third);
});

test('many versions are bounded in copies, and each reads back', async () => {
  const versions = [original.subarray(0, 8 * MIB)];
  const tight = { jumpRate: 0.02 };
  for (let version = 1; version <= MAX_COPIES + 3; version++) {
    versions.push(changed(versions[version - 1], version));
  }
  for (const [i, bytes] of versions.entries()) await packFile(bench, 20 + i, bytes, tight);
  for (const [i, bytes] of versions.entries()) await assertReads(bench, 20 + i, bytes);
  for (const { key } of bench.store.table('chunks').range(Buffer.of(0))) {
    assert.ok(key.length === 32 || (key.length === 33 && key[32] <= MAX_COPIES));
  }
});

test('the space of either version comes back when it is deleted, and the other one stays', async () => {
  const next = changed(original, 1);
  for (const [gone, left, bytes] of [
    [10, 11, next],
    [11, 10, original],
  ] as const) {
    await packFile(bench, 10, original);
    await packFile(bench, 11, next, HALF);
    bench.content.releaseRecipe(gone);
    await reclaimAll(bench);
    await assertReads(bench, left, bytes);
    // One whole file, and of what was half dead up to as much again.
    assert.ok(packBytes(bench) < 2.1 * bytes.length, `${packBytes(bench)}`);
    const { storedBytes } = bench.content.savings();
    assert.ok(storedBytes < 1.01 * bytes.length, `${storedBytes}`);
    bench.content.releaseRecipe(left);
    await reclaimAll(bench);
    assert.equal(packBytes(bench), 0);
    const empty = { logicalBytes: 0, storedBytes: 0, zeroBytes: 0, dedupBytes: 0 };
    assert.deepEqual(bench.content.savings(), {
      ...empty,
      compressionBytes: 0,
      unnamedBytes: 0,
      storedAgainBytes: 0,
    });
    assert.equal([...bench.store.table('chunks').range(Buffer.of(0))].length, 0);
  }
});

test('a chunk whose first copy is gone is found by its other one', async () => {
  await packFile(bench, 10, original);
  const next = changed(original, 1);
  await packFile(bench, 11, next, HALF);
  bench.content.releaseRecipe(10);
  await reclaimAll(bench);
  const { newBytes } = await packFile(bench, 12, next, HALF);
  assert.equal(newBytes, 0);
  await assertReads(bench, 12, next);
});

test('copies survive compaction, relocation and another start', async () => {
  await packFile(bench, 10, original);
  const next = changed(original, 1);
  await packFile(bench, 11, next, HALF);
  await packFile(bench, 12, changed(original, 2), HALF);
  bench.content.releaseRecipe(12);
  await reclaimAll(bench);
  await bench.content.relocate(11, FAST);
  await reclaimAll(bench);
  const savings = bench.content.savings();
  await closeBench(bench);
  bench = await openBench(bench.directory);
  assert.deepEqual(bench.content.savings(), savings);
  await assertReads(bench, 10, original);
  await assertReads(bench, 11, next);
});

test('a file that was read by the copy of another one while its tier was away reads on when that one is deleted', async () => {
  const { recipe } = await packFile(bench, 10, original);
  let end = 0;
  const pieces = Array.from(recipe.lengths, (length) => original.subarray(end, (end += length)));
  const jumpy = pieces.filter((_, i) => i % 2 === 1).reverse();
  const last = jumpy[jumpy.length - 1];
  await packFile(bench, 11, last);
  const other = await packFile(bench, 12, Buffer.concat(jumpy), { tier: FAST, ...HALF });
  assert.equal(other.recipe.copies.at(-1), 1, 'the other file has a copy of its own');
  const slow = bench.tiers.byId(SLOW)! as { state: string };
  slow.state = 'missing';
  await assertReads(bench, 11, last);
  slow.state = 'ok';
  bench.content.releaseRecipe(12);
  await reclaimAll(bench);
  assert.ok(bench.content.packs().every(({ tier }) => tier === SLOW));
  await assertReads(bench, 11, last);
});

test('jobs that store the same chunks again at once share them', async () => {
  await packFile(bench, 10, original);
  const next = changed(original, 1);
  const before = packBytes(bench);
  await Promise.all(
    [11, 12, 13].map((ino) => packFile(bench, ino, next, { ...HALF, batchBytes: MIB })),
  );
  assert.ok(packBytes(bench) - before < 1.6 * next.length, `${packBytes(bench) - before}`);
  for (const ino of [11, 12, 13]) await assertReads(bench, ino, next);
});

test('what a medium that does not seek holds is never stored again', async () => {
  await packFile(bench, 10, original, { tier: FAST });
  const next = changed(original, 1);
  await packFile(bench, 11, next, { tier: SLOW, ...HALF });
  assert.equal(bench.content.savings().storedAgainBytes, 0);
});

test('a database is marked as of the second format when it gets a copy, not before', async () => {
  const format = (): number => bench.store.table('meta').get(Buffer.from('format'))!.readUInt32BE();
  await packFile(bench, 10, original);
  await packFile(bench, 11, changed(original, 1));
  assert.equal(format(), 1);
  await packFile(bench, 12, changed(original, 2), HALF);
  assert.equal(format(), 2);
});

test('a segment without copies is what it always was', async () => {
  await packFile(bench, 10, original);
  await packFile(bench, 11, changed(original, 1), HALF);
  const versions = new Set<number>();
  for (const { value } of bench.store.table('segments').range(Buffer.of(0))) versions.add(value[0]);
  assert.deepEqual([...versions].sort(), [1, 2]);
});

test('every record that is counted is found in its pack', async () => {
  await packFile(bench, 10, original);
  await packFile(bench, 11, changed(original, 1), HALF);
  for (const { key, value } of bench.store.table('chunks').range(Buffer.of(0))) {
    const [packId, offset] = [value.readUInt32LE(4), value.readUInt32LE(8)];
    const found = findInRecord(bench.store, key.subarray(0, 32), packId, offset);
    assert.ok(found?.name.equals(key));
  }
});
