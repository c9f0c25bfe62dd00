import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SEGMENT_CHUNKS } from '../../src/content/limits.js';
import { native, type ChunkReader } from '../../src/native.js';
import {
  assertReads,
  buildRecipe,
  closeBench,
  createBench,
  FAST,
  openBench,
  packBytes,
  packFile,
  randomBytes,
  reclaimAll,
  removeBench,
  SLOW,
  AS_IS,
  type Bench,
} from './fixture.js';

let bench: Bench;
before(async () => {
  bench = await createBench();
});
after(async () => {
  assert.deepEqual(bench.complaints, []);
  await removeBench(bench);
});

const MIB = 1 << 20;

/** Cuts bytes into batches of 1 MiB, for jobs that are fed by hand. */
async function openReader(bytes: Buffer): Promise<{ reader: ChunkReader; close(): Promise<void> }> {
  const path = join(bench.directory, 'fed-by-hand');
  writeFileSync(path, bytes);
  const file = await open(path, 'r');
  const { min, average, max } = bench.volume.chunking;
  const reader = native.createChunkReader(file.fd, min, average, max, MIB);
  return {
    reader,
    async close() {
      reader.close();
      await file.close();
    },
  };
}

const original = randomBytes(7, 40 * MIB);

test('a packed file reads back exactly, over several batches', async () => {
  const { newBytes, storedBytes } = await packFile(bench, 10, original);
  assert.ok(newBytes > original.length && newBytes < original.length * 1.01);
  assert.equal(storedBytes, newBytes);
  await assertReads(bench, 10, original);
});

test('a second, slightly different copy costs only its difference', async () => {
  const changed = Buffer.concat([
    original.subarray(0, 5 * MIB),
    Buffer.from('an inserted sentence'),
    original.subarray(5 * MIB),
  ]);
  changed.write('changed', 30 * MIB);
  const { newBytes } = await packFile(bench, 11, changed);
  assert.ok(newBytes < MIB, `stored ${newBytes} new bytes`);
  await assertReads(bench, 11, changed);
  await assertReads(bench, 10, original);
});

test('du of a file counts its chunks once, and says which of them others share', async () => {
  const { storedBytes, sharedBytes } = await bench.content.summary(10);
  assert.ok(sharedBytes < storedBytes && sharedBytes > storedBytes * 0.95);
  const repeated = Buffer.concat(Array<Buffer>(8).fill(randomBytes(8, MIB)));
  const packed = await packFile(bench, 12, repeated);
  assert.ok(packed.newBytes < 3 * MIB, `stored ${packed.newBytes}`);
  const summary = await bench.content.summary(12);
  assert.deepEqual(summary, { storedBytes: packed.storedBytes, sharedBytes: 0 });
  await assertReads(bench, 12, repeated);
});

test('what repeats itself while it is on its way is stored once, over several segments', async () => {
  const [first, second] = [randomBytes(9, 70 * MIB), randomBytes(10, 50 * MIB)];
  const parts = [
    first,
    first.subarray(60 * MIB),
    second,
    first.subarray(0, 20 * MIB),
    second.subarray(45 * MIB),
  ];
  const bytes = Buffer.concat(parts);
  const { newBytes } = await packFile(bench, 16, bytes, { batchBytes: MIB });
  assert.ok(newBytes < 122 * MIB, `stored ${newBytes}`);
  await assertReads(bench, 16, bytes);
  bench.content.releaseRecipe(16);
  await reclaimAll(bench);
});

test('a job that is given up while its segment becomes durable leaves nothing behind', async () => {
  const before = bench.content.savings();
  const { reader, close } = await openReader(randomBytes(17, 90 * MIB));
  const job = bench.content.startPacking(17, SLOW, AS_IS);
  let chunks = 0;
  // A segment is complete, and on its way.
  while (chunks < SEGMENT_CHUNKS) {
    const batch = await reader.next();
    chunks += batch!.count;
    await job.add(batch!);
  }
  const last = await reader.next();
  await job.add(last!);
  await job.abort();
  await assert.rejects(job.finish(), { code: 'ECANCELED' });
  await close();
  await reclaimAll(bench);
  assert.deepEqual(bench.content.savings(), before);
});

test('text is stored compressed, and savings say by how much', async () => {
  const text = Buffer.from('all work and no play makes jack a dull boy\n'.repeat(200_000));
  const { storedBytes } = await packFile(bench, 13, text, { level: 3 });
  assert.ok(storedBytes < text.length / 10);
  await assertReads(bench, 13, text);
  const { compressionBytes, dedupBytes } = bench.content.savings();
  assert.ok(compressionBytes > 0 && dedupBytes > original.length * 0.95);
});

test('a sparse file and an empty one cost nothing and read back', async () => {
  const sparse = Buffer.alloc(10 * MIB);
  const { newBytes } = await packFile(bench, 14, sparse);
  assert.equal(newBytes, 0);
  await assertReads(bench, 14, sparse);
  await packFile(bench, 15, Buffer.alloc(0));
  await assertReads(bench, 15, Buffer.alloc(0));
});

test('jobs that pack the same new data at once store it once, and all read back', async () => {
  const bytes = randomBytes(21, 12 * MIB);
  const before = packBytes(bench);
  await Promise.all([
    packFile(bench, 20, bytes, { tier: SLOW, batchBytes: MIB }),
    packFile(bench, 21, bytes, { tier: SLOW, batchBytes: MIB }),
    packFile(bench, 22, bytes, { tier: FAST, batchBytes: MIB }),
  ]);
  assert.ok(packBytes(bench) - before < 12.2 * MIB, `${packBytes(bench) - before} bytes`);
  for (const ino of [20, 21, 22]) await assertReads(bench, ino, bytes);
});

test('what a job appended before it was given up serves those that met it there', async () => {
  const bytes = randomBytes(22, 16 * MIB);
  const before = packBytes(bench);
  const jobs = [23, 24].map((ino) => packFile(bench, ino, bytes, { batchBytes: MIB }));
  for (const batches of [1, 2, 5]) {
    const { reader, close } = await openReader(bytes);
    const job = bench.content.startPacking(25, SLOW, AS_IS);
    for (let i = 0; i < batches; i++) {
      const batch = await reader.next();
      const added = job.add(batch!);
      // The last one is given up while it is being appended.
      if (i === batches - 1) await job.abort();
      await added.catch(() => undefined);
    }
    await close();
    await bench.content.reclaim();
  }
  await Promise.all(jobs);
  assert.ok(packBytes(bench) - before < 20 * MIB, `${packBytes(bench) - before} bytes`);
  await reclaimAll(bench);
  for (const ino of [23, 24]) await assertReads(bench, ino, bytes);
});

test('a job whose batch can not be compressed fails, and the one whose turn it is goes on', async () => {
  const bytes = randomBytes(26, 32 * MIB);
  const going = packFile(bench, 26, bytes, { level: 19 });
  const { reader, close } = await openReader(randomBytes(27, 4 * MIB));
  for (let i = 0; i < 20; i++) {
    const job = bench.content.startPacking(27, SLOW, AS_IS);
    const batch = await reader.next();
    if (!batch) break;
    batch.release();
    await job.add(batch);
    await assert.rejects(job.finish(), { code: 'EINVAL' });
    await job.abort();
  }
  await close();
  await going;
  await assertReads(bench, 26, bytes);
  bench.content.releaseRecipe(26);
  await reclaimAll(bench);
});

test('a file packed anew has its new bytes, and the old ones are given back', async () => {
  const first = randomBytes(31, 6 * MIB);
  const second = randomBytes(32, 6 * MIB);
  await packFile(bench, 30, first);
  await packFile(bench, 30, second);
  await assertReads(bench, 30, second);
  const { chunksRemoved } = await bench.content.reclaim();
  assert.ok(chunksRemoved > 50);
  await assertReads(bench, 30, second);
});

test('a job that was given up leaves nothing behind', async () => {
  await reclaimAll(bench);
  const before = bench.content.savings();
  const { recipe, abort } = await buildRecipe(bench, 40, randomBytes(41, 8 * MIB));
  await abort();
  assert.throws(() => bench.content.commitRecipe(recipe));
  await reclaimAll(bench);
  assert.deepEqual(bench.content.savings(), before);
  assert.ok(!bench.content.hasRecipe(40));
});

test('what is saved adds up while a file is packed, and after that ended in a crash', async () => {
  const before = bench.content.savings();
  // The second half is known by then, and zeros are stored nowhere.
  const bytes = Buffer.concat([randomBytes(42, 8 * MIB), randomBytes(42, 8 * MIB)]);
  const zeros = Buffer.alloc(4 * MIB);
  await buildRecipe(bench, 41, Buffer.concat([zeros, bytes]), { batchBytes: MIB });
  const during = bench.content.savings();
  assert.equal(during.unnamedBytes, bytes.length);
  assert.equal(during.logicalBytes, before.logicalBytes);
  assert.ok(during.dedupBytes > before.dedupBytes + 7 * MIB);
  assert.ok(during.dedupBytes < before.dedupBytes + 9 * MIB);
  await closeBench(bench);
  bench = await openBench(bench.directory);
  assert.deepEqual(bench.content.savings(), during);
  await reclaimAll(bench);
  assert.deepEqual(bench.content.savings(), before);
});

test('the space of a deleted file counts as no saving until it is given back', async () => {
  const before = bench.content.savings();
  await packFile(bench, 42, randomBytes(43, 2 * MIB));
  assert.equal(bench.content.savings().unnamedBytes, 0);
  bench.content.releaseRecipe(42);
  const { unnamedBytes, dedupBytes } = bench.content.savings();
  assert.equal(unnamedBytes, 2 * MIB);
  assert.equal(dedupBytes, before.dedupBytes);
  await reclaimAll(bench);
  assert.deepEqual(bench.content.savings(), before);
});

test('everything is there after closing and opening again', async () => {
  const packs = packBytes(bench);
  const savings = bench.content.savings();
  await closeBench(bench);
  bench = await openBench(bench.directory);
  assert.ok(packBytes(bench) >= packs);
  assert.ok(bench.content.packs().every(({ sealed }) => sealed));
  assert.deepEqual(bench.content.savings(), savings);
  await assertReads(bench, 10, original);
  const used = bench.tiers.tiers.reduce(
    (sum, tier) => sum + bench.tiers.usage(tier).packedBytes,
    0,
  );
  assert.equal(used, packBytes(bench));
});
