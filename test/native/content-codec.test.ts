/** How chunks are compressed: byte planes for numbers, samples that decide for their neighbours. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import {
  float32,
  hydrated,
  noise,
  packData,
  randomFrom,
  temporaryDirectory,
  testSeed,
  text,
  upperHalves,
  USUAL,
  weight,
  type Packed,
} from './content-kit.js';

/** Of a record's header, see src/content/README.md. */
const [CODEC, PLANES] = [4, 5];

function recordBytes({ plan, packPath }: Packed, at: number): number[] {
  const pack = readFileSync(packPath);
  return [...plan.offsets].filter((_, i) => plan.packs[i] >= 0).map((offset) => pack[offset + at]);
}

function storedShare({ plan }: Packed): number {
  return plan.stored.reduce((sum, bytes) => sum + bytes, 0) / plan.size;
}

async function packedAndBack(directory: string, name: string, data: Buffer, level = 3) {
  const packed = await packData(directory, data, { level, name, limits: USUAL, seal: true });
  assert.ok((await hydrated(directory, packed.plan)).equals(data), name);
  const scan = await native.scanPack(packed.packPath, true);
  assert.deepEqual([...scan.bad], [], name);
  return packed;
}

test('floats are stored as byte planes, in less than zstd alone needs', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const floats = float32(400_000, () => weight(random));
  const wide = await packedAndBack(directory, 'fp32', floats);
  assert.deepEqual(new Set(recordBytes(wide, PLANES)), new Set([4]));
  // zstd alone needs 0.93.
  assert.ok(storedShare(wide) < 0.86, String(storedShare(wide)));
  const narrow = await packedAndBack(directory, 'bf16', upperHalves(floats));
  assert.deepEqual(new Set(recordBytes(narrow, PLANES)), new Set([2]));
  // zstd alone needs 0.78; 0.66 is the entropy.
  assert.ok(storedShare(narrow) < 0.7, String(storedShare(narrow)));
});

test('floats that start at an odd offset, and end in the middle of one, are too', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const floats = float32(200_000, () => weight(random));
  for (const skip of [1, 2, 3]) {
    const data = floats.subarray(skip, floats.length - 1 - (random() % 3));
    const packed = await packedAndBack(directory, `odd${skip}`, data);
    assert.ok(storedShare(packed) < 0.87, String(storedShare(packed)));
  }
});

test('repetitions are found within planes and without', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const steps = Array.from({ length: 64 }, () => weight(random));
  const smooth = float32(300_000, (i) => steps[(i >> 10) % 64] + (i % 1024) * 1e-9);
  assert.ok(storedShare(await packedAndBack(directory, 'smooth', smooth)) < 0.5);
  const row = upperHalves(float32(500, () => weight(random)));
  const rows = Buffer.concat(Array.from({ length: 1000 }, () => row));
  assert.ok(storedShare(await packedAndBack(directory, 'rows', rows)) < 0.05);
});

test('what is compressed already gives up what it repeats', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const repeated = noise(200, random);
  const streams = Array.from({ length: 500 }, () => [repeated, noise(4000, random)]).flat();
  const packed = await packedAndBack(directory, 'streams', Buffer.concat(streams));
  // 4000 of 4200 bytes can not be saved.
  assert.ok(storedShare(packed) < 0.98, String(storedShare(packed)));
});

test('one kind of data next to another does not spoil it', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const kinds = [
    () => noise(60_000 + (random() % 300_000), random),
    () => text(60_000 + (random() % 300_000), random),
    () => float32(50_000 + (random() % 50_000), () => weight(random)),
    () => upperHalves(float32(50_000 + (random() % 50_000), () => weight(random))),
  ];
  const parts = Array.from({ length: 24 }, () => kinds[random() % kinds.length]());
  const mixed = await packedAndBack(directory, 'mixed', Buffer.concat(parts));
  let alone = 0;
  for (const [i, part] of parts.entries()) {
    const packed = await packedAndBack(directory, `part${i}`, part);
    alone += storedShare(packed) * part.length;
  }
  // Cuts fall elsewhere, so it can't be the same.
  assert.ok(storedShare(mixed) * mixed.plan.size < 1.1 * alone);
});

test('noise, and everything at level 0, is stored as is', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const some = [
    await packedAndBack(directory, 'noise', noise(2_000_000, random)),
    await packedAndBack(directory, 'off', text(500_000, random), 0),
  ];
  for (const packed of some) {
    for (const at of [CODEC, PLANES]) {
      assert.deepEqual(new Set(recordBytes(packed, at)), new Set([0]));
    }
  }
});

test('chunks of every small length come back', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const source = float32(2000, () => weight(random));
  for (let length = 1; length < 6000; length += 1 + (random() % 97)) {
    await packedAndBack(directory, `small${length}`, source.subarray(0, length), 1 + (length % 19));
  }
});
