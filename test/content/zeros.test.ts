/** Holes and runs of zeros: neither stored nor saved by deduplication. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHead, numberKey } from '../../src/content/records.js';
import { openStore } from '../../src/store/store.js';
import {
  closeBench,
  openBench,
  packFile,
  randomBytes,
  reclaimAll,
  type Bench,
  benchForEach,
} from './fixture.js';

const MIB = 1 << 20;
const KEY = Buffer.from('content/zeros', 'latin1');

let bench: Bench;
benchForEach(
  (made) => (bench = made),
  () => bench,
);

/** Zeros between two pieces of data, of which all but what cuts take away are stored nowhere. */
const withHole = (seed: number): Buffer =>
  Buffer.concat([randomBytes(seed, MIB), Buffer.alloc(10 * MIB), randomBytes(seed + 1, MIB)]);

function assertAddsUp(): void {
  const { logicalBytes, unnamedBytes, ...saved } = bench.content.savings();
  const { storedBytes, zeroBytes, dedupBytes, compressionBytes } = saved;
  const parts = storedBytes + zeroBytes + dedupBytes + compressionBytes;
  // Headers of records, which take what compression does not save.
  const headers = Math.max(0, parts - logicalBytes - unnamedBytes);
  assert.ok(headers < 64 * 1024, `${headers} bytes of headers`);
  assert.equal(parts - headers, logicalBytes + unnamedBytes);
}

async function reopen(meanwhile?: (meta: ReturnType<typeof tableMeta>) => void): Promise<void> {
  await closeBench(bench);
  if (meanwhile) {
    const store = await openStore(`${bench.directory}/volume/namespace`);
    meanwhile(tableMeta(store));
    await store.commit();
    await store.close();
  }
  bench = await openBench(bench.directory);
}

const tableMeta = (store: Bench['store']) => store.table('meta');

test('a sparse file is not said to be saved by deduplication', async () => {
  await packFile(bench, 10, Buffer.alloc(20 * MIB));
  const { dedupBytes, zeroBytes } = bench.content.savings();
  assert.deepEqual({ dedupBytes, zeroBytes }, { dedupBytes: 0, zeroBytes: 20 * MIB });
  await packFile(bench, 11, withHole(1));
  const both = bench.content.savings();
  assert.equal(both.dedupBytes, 0);
  assert.ok(both.zeroBytes > 29.9 * MIB && both.zeroBytes <= 30 * MIB, `${both.zeroBytes}`);
  assertAddsUp();
});

test('what is saved by deduplication is counted beside zeros, and both go with their files', async () => {
  await packFile(bench, 10, withHole(1));
  const { zeroBytes } = bench.content.savings();
  await packFile(bench, 11, withHole(1));
  const both = bench.content.savings();
  assert.equal(both.zeroBytes, 2 * zeroBytes);
  assert.equal(both.dedupBytes, both.logicalBytes / 2 - zeroBytes);
  assertAddsUp();
  bench.content.releaseRecipe(10);
  assertAddsUp();
  // Packed anew under its inode: the older recipe counts no more.
  await packFile(bench, 11, Buffer.alloc(3 * MIB));
  await reclaimAll(bench);
  assert.equal(bench.content.savings().zeroBytes, 3 * MIB);
  assertAddsUp();
});

test('zeros are known at the next start without a look at the files', async () => {
  await packFile(bench, 10, withHole(1));
  const savings = bench.content.savings();
  await reopen();
  assert.deepEqual(bench.content.savings(), savings);
  // Nobody looks: the head that says otherwise is not read.
  const head = { recipeId: 99, size: 5, zeroBytes: 5, chunks: 1 };
  bench.store.table('recipes').put(numberKey(77), encodeHead(head));
  await reopen();
  assert.deepEqual(bench.content.savings(), savings);
});

test('zeros of a volume of an older program are counted, and what it packed or deleted', async () => {
  await packFile(bench, 10, withHole(1));
  const before = bench.content.savings();
  await reopen((meta) => meta.remove(KEY));
  assert.deepEqual(bench.content.savings(), before);
  await bench.store.commit();
  const stale = bench.store.table('meta').get(KEY);

  await packFile(bench, 11, Buffer.alloc(MIB));
  const packed = bench.content.savings();
  assert.equal(packed.zeroBytes, before.zeroBytes + MIB);
  await reopen((meta) => (stale ? meta.put(KEY, stale) : meta.remove(KEY)));
  assert.deepEqual(bench.content.savings(), packed);

  await packFile(bench, 12, Buffer.alloc(MIB));
  const third = bench.store.table('meta').get(KEY);
  bench.content.releaseRecipe(12);
  await reopen((meta) => (third ? meta.put(KEY, third) : meta.remove(KEY)));
  assert.equal(bench.content.savings().zeroBytes, packed.zeroBytes);
});

test('files that are packed and deleted while zeros are counted count once', async () => {
  const head = { recipeId: 1, size: 100, zeroBytes: 100, chunks: 0 };
  const heads = bench.store.table('recipes');
  for (let i = 0; i < 5000; i++) heads.put(numberKey(100 + i), encodeHead(head));
  await reopen((meta) => meta.remove(KEY));
  const { zeroBytes } = bench.content.savings();
  assert.ok(zeroBytes > 0 && zeroBytes < 500_000, `all at once: ${zeroBytes}`);
  for (const ino of [100, 101, 5098, 5099]) bench.content.releaseRecipe(ino);
  await packFile(bench, 10, Buffer.alloc(MIB));
  await packFile(bench, 9000, Buffer.alloc(MIB));
  while (bench.content.savings().zeroBytes < 2 * MIB + 499_600) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await packFile(bench, 11, Buffer.alloc(0));
  assert.equal(bench.content.savings().zeroBytes, 2 * MIB + 499_600);
});
