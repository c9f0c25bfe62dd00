import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import {
  cutFile,
  noise,
  randomFrom,
  SMALL,
  storeFile,
  temporaryDirectory,
  testSeed,
  text,
  USUAL,
  withFile,
  type Limits,
} from './content-kit.js';

test('after an upgrade duplicates are still found: cuts never change', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(1);
  const data = Buffer.concat([
    noise(300_000, random),
    text(300_000, random),
    Buffer.alloc(300_000),
  ]);
  const cut = await cutFile(storeFile(directory, 'golden', data), USUAL);
  assert.deepEqual(cut.lengths, GOLDEN_LENGTHS);
  assert.equal(cut.digest, GOLDEN_DIGEST);
});

const GOLDEN_LENGTHS = [65228, 68986, 94370, 52918, 67589, 110207, 105332, 35434, 262144, 37792];
const GOLDEN_DIGEST = 'eff2add5bc13ce000ce55ac84b39c413';

test('a chunk is named by its SHA-256, and the chunks make up the file', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = Buffer.concat([text(random() % 90_000, random), noise(random() % 90_000, random)]);
  const cut = await cutFile(storeFile(directory, 'data', data), SMALL, 10_000);
  let start = 0;
  cut.lengths.forEach((length, i) => {
    const hash = createHash('sha256')
      .update(data.subarray(start, start + length))
      .digest('hex');
    assert.equal(cut.hashes[i], hash);
    start += length;
  });
  assert.equal(start, data.length);
});

test('cuts do not depend on how the file is read: batch sizes give the same chunks', async (t) => {
  const directory = temporaryDirectory(t);
  const path = storeFile(directory, 'data', noise(500_000, randomFrom(testSeed(t))));
  const one = await cutFile(path, SMALL, 1 << 20);
  const many = await cutFile(path, SMALL, 1);
  assert.ok(many.batches.length > one.batches.length);
  assert.deepEqual(many.hashes, one.hashes);
  assert.equal(many.digest, one.digest);
});

test('the parts between given cuts are cut as files of their own', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const parts = [1, 300, 70_000, 4096, 120_000, 2].map((length) => noise(length, random));
  const cuts: number[] = [];
  let end = 0;
  for (const { length } of parts) cuts.push((end += length));
  const path = storeFile(directory, 'whole', Buffer.concat(parts));
  const expected: string[] = [];
  for (const part of parts) {
    expected.push(...(await cutFile(storeFile(directory, 'part', part), SMALL)).hashes);
  }
  for (const batchBytes of [1, 10_000, 1 << 20]) {
    const whole = await cutFile(path, SMALL, batchBytes, Float64Array.from(cuts));
    assert.deepEqual(whole.hashes, expected);
  }
  // The end of the file, and what lies behind it, are no cuts.
  const beyond = Float64Array.from([end, end + 1, 2 ** 52]);
  assert.deepEqual(
    (await cutFile(path, SMALL, 1 << 20, beyond)).hashes,
    (await cutFile(path, SMALL)).hashes,
  );
});

test('a byte put in front of a file costs one chunk, not a second copy of the file', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(4 << 20, randomFrom(testSeed(t)));
  const before = await cutFile(storeFile(directory, 'a', data), USUAL);
  const after = await cutFile(
    storeFile(directory, 'b', Buffer.concat([Buffer.from('!'), data])),
    USUAL,
  );
  const known = new Set(before.hashes);
  const fresh = after.hashes.filter((hash) => !known.has(hash));
  assert.ok(fresh.length <= 4, `${fresh.length} of ${after.hashes.length} chunks are new`);
});

test('chunks keep within their limits and near the average', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(8 << 20, randomFrom(testSeed(t)));
  const { lengths } = await cutFile(storeFile(directory, 'data', data), USUAL);
  assert.ok(lengths.slice(0, -1).every((length) => length > USUAL.min && length <= USUAL.max));
  const average = data.length / lengths.length;
  assert.ok(average > USUAL.average / 2 && average < USUAL.average * 2, `average ${average}`);
});

test('zeros are stored nowhere: runs of them are chunks of their own', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const head = noise(100_000 + (random() % 1000), random);
  const tail = noise(50_000, random);
  const data = Buffer.concat([head, Buffer.alloc(2 << 20), tail]);
  const cut = await cutFile(storeFile(directory, 'data', data), USUAL);
  let start = 0;
  let zeros = 0;
  cut.lengths.forEach((length, i) => {
    const isZero = data.subarray(start, start + length).every((byte) => byte === 0);
    assert.equal(cut.zero[i], isZero);
    if (isZero) zeros += length;
    start += length;
  });
  assert.ok(zeros > (2 << 20) - USUAL.max, `${zeros} bytes of zeros found`);
});

test('holes of a sparse file are zeros', async (t) => {
  const directory = temporaryDirectory(t);
  const path = storeFile(directory, 'sparse', Buffer.from('start'));
  truncateSync(path, 10_000_000);
  const cut = await cutFile(path, USUAL);
  assert.equal(
    cut.lengths.reduce((a, b) => a + b, 0),
    10_000_000,
  );
  assert.equal(cut.zero.filter((zero) => !zero).length, 1);
  const digest = await withFile(path, 'r', (fd) => native.digestFile(fd));
  assert.equal(digest.digest.toString('hex'), cut.digest);
});

test('an empty file has no chunks, and a digest', async (t) => {
  const directory = temporaryDirectory(t);
  const cut = await cutFile(storeFile(directory, 'empty', Buffer.alloc(0)), USUAL);
  assert.equal(cut.lengths.length, 0);
  assert.equal(cut.digest, '99aa06d3014798d86001c324468d497f');
});

test('limits that would break every reader are refused', async (t) => {
  const directory = temporaryDirectory(t);
  const fd = openSync(storeFile(directory, 'f', Buffer.from('x')), 'r');
  t.after(() => closeSync(fd));
  for (const [min, average, max] of [
    [1, 2, 3],
    [512, 256, 1024],
    [512, 1024, 800],
    [512, 1024, 1 << 30],
    [512, 1024, Number.NaN],
  ]) {
    assert.throws(() => native.createChunkReader(fd, min, average, max, 1024), { code: 'EINVAL' });
  }
  assert.throws(() => native.createChunkReader(-1, 256, 512, 1024, 1024), { code: 'EBADF' });
});

test('a reader never reads another file that got its descriptor', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(1 << 20, randomFrom(testSeed(t)));
  const path = storeFile(directory, 'data', data);
  const other = storeFile(directory, 'other', Buffer.alloc(1 << 20, 1));
  const fd = openSync(path, 'r');
  const reader = native.createChunkReader(fd, SMALL.min, SMALL.average, SMALL.max, 64 << 10);
  closeSync(fd);
  assert.equal(openSync(other, 'r'), fd);
  const hash = createHash('sha256');
  const batch = await reader.next();
  assert.ok(batch !== null);
  hash.update(data.subarray(0, batch.lengths[0]));
  assert.equal(batch.hashes.subarray(0, 32).toString('hex'), hash.digest('hex'));
  reader.close();
  closeSync(fd);
  await assert.rejects(reader.next(), { code: 'ECANCELED' });
  assert.throws(() => reader.digest(), { code: 'EAGAIN' });
});

test('a descriptor that can not be read gives its errno, and goes on giving it', async (t) => {
  const fd = openSync(join(temporaryDirectory(t), 'out'), 'w');
  t.after(() => closeSync(fd));
  writeSync(fd, 'data that stays unread');
  const reader = native.createChunkReader(fd, SMALL.min, SMALL.average, SMALL.max, 4096);
  const seen = [];
  for (let i = 0; i < 2; i++) seen.push(await reader.next().catch((error) => error.code));
  assert.notEqual(seen[0], null);
  assert.deepEqual(seen, ['EBADF', 'EBADF']);
});

/** The definition in src/content/README.md, word for word and slow. */
function cutByDefinition(data: Buffer, { min, average, max }: Limits): number[] {
  const gear = gearTable();
  const bits = BigInt(Math.floor(Math.log2(average)));
  const lengths: number[] = [];
  for (let start = 0; start < data.length; start += lengths[lengths.length - 1]) {
    lengths.push(firstCut(data.subarray(start, start + max), gear, bits, min, average));
  }
  return lengths;
}

function firstCut(data: Buffer, gear: bigint[], bits: bigint, min: number, average: number) {
  const zeros = data.findIndex((byte) => byte !== 0);
  if (zeros === -1 || zeros >= min) return zeros === -1 ? data.length : zeros;
  let hash = 0n;
  for (let i = min - 64; i < data.length; i++) {
    hash = BigInt.asUintN(64, 2n * hash + gear[data[i]]);
    const length = i + 1;
    const zeroBits = length <= average ? bits + 2n : bits - 2n;
    if (length <= min || hash >> (64n - zeroBits) !== 0n) continue;
    const next = data.subarray(length, length + min);
    if (hash !== 0n || (next.length === min && next.every((byte) => byte === 0))) return length;
  }
  return data.length;
}

function gearTable(): bigint[] {
  const gear = [0n];
  let state = 0x436f72616c526565n;
  while (gear.length < 256) {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let mixed = BigInt.asUintN(64, (state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    gear.push(mixed ^ (mixed >> 31n));
  }
  return gear;
}

test('another program that follows the format page finds the same cuts', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const runs = [...Array(6).keys()].flatMap(() => [
    noise(random() % 20_000, random),
    Buffer.alloc(random() % 6_000),
    text(random() % 10_000, random),
  ]);
  const data = Buffer.concat(runs);
  const cut = await cutFile(storeFile(directory, 'data', data), SMALL);
  assert.deepEqual(cut.lengths, cutByDefinition(data, SMALL));
});
