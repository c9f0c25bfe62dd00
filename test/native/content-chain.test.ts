/** Chains: chunks that are compressed one after the other, and depend on those before them. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native, type PackedPlan } from '../../src/native.js';
import {
  hydrated,
  noise,
  packData,
  planOver,
  randomFrom,
  RECORD_HEADER,
  SMALL,
  temporaryDirectory,
  testSeed,
  text,
  USUAL,
  VOLUME_ID,
  type Packed,
  type Random,
} from './content-kit.js';

const CODEC_CHAIN = 2;
const MAX_CHAIN = 512 * 1024;

/** Rows of a plan by the chain that they are in: where it begins, and its rows in order. */
function chainsOf({ packPath, plan }: Packed): number[][] {
  const bytes = readFileSync(packPath);
  const chains = new Map<number, number[]>();
  plan.offsets.forEach((offset, row) => {
    if (plan.packs[row] < 0 || bytes[offset + 4] !== CODEC_CHAIN) return;
    const start = offset - bytes.readUIntLE(offset + 5, 3);
    chains.set(start, [...(chains.get(start) ?? []), row]);
  });
  return [...chains.values()];
}

const lengthOf = (plan: PackedPlan, rows: number[]): number =>
  rows.reduce((sum, row) => sum + plan.lengths[row], 0);

const startOf = (plan: PackedPlan, row: number): number =>
  plan.lengths.subarray(0, row).reduce((sum, length) => sum + length, 0);

async function assertReads(plan: PackedPlan, data: Buffer, random: Random): Promise<void> {
  const handle = native.openPlan(plan);
  try {
    for (let n = 0; n < 60; n++) {
      const at = random() % data.length;
      const length = 1 + (random() % (n % 2 === 0 ? 4096 : 300_000));
      const read = await native.readPlan(handle, at, length);
      assert.ok(read.equals(data.subarray(at, at + length)), `${length} bytes at ${at}`);
    }
    const sizes = Array.from({ length: 8 }, () => random() % data.length);
    const reads = await Promise.all(sizes.map((at) => native.readPlan(handle, at, 200_000)));
    reads.forEach((read, i) => {
      assert.ok(read.equals(data.subarray(sizes[i], sizes[i] + 200_000)));
    });
    assert.deepEqual([...(await native.checkPlan(handle)).bad], []);
  } finally {
    handle.close();
  }
}

for (const level of [1, 6, 19]) {
  test(`chained chunks come back byte for byte, level ${level}`, async (t) => {
    const directory = temporaryDirectory(t);
    const random = randomFrom(testSeed(t));
    const data = text(level === 19 ? 700_000 : 2_500_000, random);
    for (const limits of [USUAL, { min: 64, average: 4096, max: 8192 }]) {
      const name = `from-${limits.min}`;
      const options = { level, limits, seal: true, name };
      const packed = await packData(directory, data, { ...options, chainBytes: MAX_CHAIN });
      const chains = chainsOf(packed);
      assert.ok(chains.some((rows) => lengthOf(packed.plan, rows) > MAX_CHAIN / 2));
      assert.ok(chains.every((rows) => lengthOf(packed.plan, rows) <= MAX_CHAIN));
      await assertReads(packed.plan, data, random);
      assert.ok((await hydrated(directory, packed.plan)).equals(data));
      const scan = await native.scanPack(packed.packPath, true);
      assert.deepEqual([...scan.bad], []);
      assert.deepEqual(scan.offsets, packed.plan.offsets);
      const alone = await packData(directory, data, { ...options, name: `${name}-alone` });
      assert.deepEqual(chainsOf(alone), []);
      assert.ok(statSync(packed.packPath).size < statSync(alone.packPath).size);
    }
  });
}

test('what does not shrink is in no chain, nor what was not to be chained', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const parts = Array.from({ length: 6 }, (_, i) =>
    i % 2 === 0 ? text(200_000, random) : noise(150_000, random),
  );
  const data = Buffer.concat([...parts, Buffer.alloc(300_000), text(100, random)]);
  const packed = await packData(directory, data, {
    level: 3,
    limits: USUAL,
    chainBytes: 192 << 10,
  });
  const bytes = readFileSync(packed.packPath);
  const noisy = packed.plan.offsets.filter(
    (offset, row) => packed.plan.packs[row] >= 0 && bytes[offset + 4] === 0,
  );
  assert.ok(noisy.length > 0);
  for (const rows of chainsOf(packed)) assert.ok(lengthOf(packed.plan, rows) <= 192 << 10);
  await assertReads(packed.plan, data, random);
  const plain = await packData(directory, data, { level: 0, chainBytes: MAX_CHAIN, name: 'as-is' });
  assert.deepEqual(chainsOf(plain), []);
});

test('a damaged record costs those behind it in its chain, and nothing else', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = text(2_000_000, random);
  for (const seal of [false, true]) {
    const options = { level: 3, limits: USUAL, chainBytes: MAX_CHAIN, seal, name: `d${seal}` };
    const packed = await packData(directory, data, options);
    const { plan, packPath } = packed;
    const bytes = readFileSync(packPath);
    const chain = chainsOf(packed)[1];
    const hurt = 1 + (random() % (chain.length - 1));
    const lost = chain.slice(hurt);
    bytes[plan.offsets[chain[hurt]] + RECORD_HEADER + 5] ^= 1;
    const path = join(directory, `damaged-${seal}`);
    writeFileSync(path, bytes);
    const handle = native.openPlan(planOver(plan, path));
    t.after(() => handle.close());
    assert.deepEqual([...(await native.checkPlan(handle)).bad], lost);
    for (let row = 0; row < plan.lengths.length; row++) {
      const at = startOf(plan, row);
      const read = native.readPlan(handle, at, plan.lengths[row]);
      if (lost.includes(row)) await assert.rejects(read, { code: 'EIO', path });
      else assert.ok((await read).equals(data.subarray(at, at + plan.lengths[row])));
    }
    // The index of a sealed pack says nothing of its records.
    if (!seal) assert.deepEqual([...(await native.scanPack(path, false)).bad], lost);
    assert.deepEqual([...(await native.scanPack(path, true)).bad], lost);
  }
});

/** Copies some rows to a new pack. @returns the plan that reads these rows there. */
async function copyRows(directory: string, packed: Packed, rows: number[]): Promise<PackedPlan> {
  const { plan, packPath } = packed;
  const path = join(directory, `copy-${rows.length}-${rows[0]}.pack`);
  const writer = native.createPackWriter(path, 8, VOLUME_ID);
  const copied = await writer.copyRecords(
    packPath,
    7,
    Float64Array.from(rows, (row) => plan.offsets[row]),
    Uint32Array.from(rows, (row) => plan.stored[row]),
  );
  await writer.seal();
  writer.close();
  const lengths = Uint32Array.from(rows, (row) => plan.lengths[row]);
  return {
    size: lengths.reduce((sum, length) => sum + length, 0),
    lengths,
    packs: new Int32Array(rows.length),
    offsets: copied.offsets,
    stored: copied.stored,
    packPaths: [path],
    packIds: [8],
    volumeId: VOLUME_ID,
  };
}

test('whole chains are copied as they are, of others the chunks are stored anew', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  // More than is copied at once: no chain is broken for that.
  const data = text(30_000_000, random);
  const options = { level: 1, limits: USUAL, chainBytes: MAX_CHAIN, seal: true };
  const packed = await packData(directory, data, options);
  const { plan } = packed;
  const all = [...plan.lengths.keys()];
  const whole = await copyRows(directory, packed, all);
  assert.deepEqual(whole.stored, plan.stored);
  assert.ok((await hydrated(directory, whole)).equals(data));
  const some = all.filter(() => random() % 3 > 0);
  const part = await copyRows(directory, packed, some);
  const expected = some.map((row) => {
    const at = startOf(plan, row);
    return data.subarray(at, at + plan.lengths[row]);
  });
  assert.ok((await hydrated(directory, part)).equals(Buffer.concat(expected)));
  const { stored, bad } = await native.scanPack(part.packPaths[0], true);
  assert.deepEqual([...bad], []);
  assert.deepEqual(stored, part.stored, 'nothing is there but what was asked for');
});

test('a chunk behind a damaged one is not copied', async (t) => {
  const directory = temporaryDirectory(t);
  const data = text(400_000, randomFrom(testSeed(t)));
  const options = { level: 3, limits: SMALL, chainBytes: 65_536, seal: true };
  const packed = await packData(directory, data, options);
  const [chain] = chainsOf(packed);
  const bytes = readFileSync(packed.packPath);
  bytes[packed.plan.offsets[chain[1]] + RECORD_HEADER] ^= 1;
  writeFileSync(packed.packPath, bytes);
  await assert.rejects(copyRows(directory, packed, [chain[2]]), { code: 'EBADMSG' });
  await copyRows(directory, packed, [chain[0]]);
});
