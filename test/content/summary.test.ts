/** What files take together, and what deleting all of them gives back. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ChunkIndex } from '../../src/content/chunk-index.js';
import type { Packs } from '../../src/content/packs.js';
import type { Segment } from '../../src/content/records.js';
import { summarize } from '../../src/content/summary.js';
import type { ChunkLocation } from '../../src/content/types.js';
import { randomFrom } from '../seed.js';
import {
  createBench,
  FAST,
  packFile,
  randomBytes,
  reclaimAll,
  removeBench,
  SLOW,
} from './fixture.js';

const MIB = 1 << 20;

async function* each(inos: readonly number[]): AsyncGenerator<number> {
  yield* inos;
}

test('deleting what was summed up frees what it stores and does not share', async (t) => {
  const bench = await createBench();
  t.after(() => removeBench(bench));
  const [base, own] = [randomBytes(1, 6 * MIB), randomBytes(2, 2 * MIB)];
  await packFile(bench, 10, Buffer.concat([base, own]));
  await packFile(bench, 11, Buffer.concat([base, own, own]), { tier: FAST });
  await packFile(bench, 12, Buffer.concat([base.subarray(0, 3 * MIB), randomBytes(3, MIB)]));
  await packFile(bench, 13, randomBytes(4, MIB), { tier: FAST });
  const below = [10, 11, 13];
  const joint = await bench.content.jointSummary(() => each([...below, 999]));
  assert.ok(joint.sharedBytes > 2.9 * MIB && joint.sharedBytes < 3.1 * MIB);
  assert.ok(joint.storedBytes > 8.9 * MIB && joint.storedBytes < 9.8 * MIB, `${joint.storedBytes}`);
  assert.equal(joint.tiers.get(FAST)! + joint.tiers.get(SLOW)!, joint.storedBytes);
  assert.ok(joint.tiers.get(FAST)! > 0.99 * MIB);

  const before = bench.content.savings().storedBytes;
  for (const ino of below) bench.content.releaseRecipe(ino);
  await reclaimAll(bench);
  const freed = before - bench.content.savings().storedBytes;
  assert.equal(freed, joint.storedBytes - joint.sharedBytes);
});

test('a directory with one file has the figures of the file', async (t) => {
  const bench = await createBench();
  t.after(() => removeBench(bench));
  await packFile(bench, 10, randomBytes(1, 3 * MIB));
  await packFile(bench, 11, randomBytes(1, 2 * MIB));
  const { storedBytes, sharedBytes } = await bench.content.jointSummary(() => each([10]));
  assert.deepEqual({ storedBytes, sharedBytes }, await bench.content.summary(10));
});

/** Recipes of chunks that are drawn at random, some of which others name as well. */
function drawRecipes(random: (below: number) => number) {
  const names = Array.from({ length: 600 }, (_, i) => createHash('sha256').update(`${i}`).digest());
  const locations = new Map<string, ChunkLocation>();
  const draw = (): Segment => {
    const drawn = Array.from({ length: 1 + random(40) }, () => names[random(names.length)]);
    for (const name of drawn) {
      const key = name.toString('hex');
      const stored = 1 + (name.readUInt16BE(4) % 1000);
      const other = random(20) === 0 ? 1 : 0;
      const known = locations.get(key) ?? { ...NOWHERE, packId: random(3), stored };
      locations.set(key, { ...known, references: known.references + 1 + other });
    }
    const count = drawn.length;
    return {
      hashes: Buffer.concat(drawn),
      lengths: new Uint32Array(count),
      zero: new Uint8Array(count),
      copies: new Uint8Array(count),
    };
  };
  return { recipes: Array.from({ length: 40 }, draw), locations };
}

const NOWHERE: ChunkLocation = {
  packId: 0,
  offset: 0,
  stored: 0,
  length: 0,
  references: 0,
  bad: false,
};

test('however few chunks are noted at a time, the sum is the same', async () => {
  const random = randomFrom(4711);
  const { recipes, locations } = drawRecipes((below) => random() % below);
  const times = new Map<string, number>();
  for (const { hashes, lengths } of recipes) {
    for (let i = 0; i < lengths.length; i++) {
      const key = hashes.subarray(i * 32, i * 32 + 32).toString('hex');
      times.set(key, (times.get(key) ?? 0) + 1);
    }
  }
  const expected = { storedBytes: 0, sharedBytes: 0, unknown: null };
  for (const [key, count] of times) {
    const { stored, references } = locations.get(key)!;
    expected.storedBytes += stored;
    if (references > count) expected.sharedBytes += stored;
  }
  const index = { get: (name: Buffer) => locations.get(name.toString('hex')) } as ChunkIndex;
  const packs = { get: (packId: number) => ({ tier: packId + 1 }) } as unknown as Packs;
  for (const noted of [7, 100, 1e6]) {
    let passes = 0;
    const segments = () => (passes++, recipes);
    const { tiers, ...sum } = await summarize({ index, packs }, segments, noted);
    assert.deepEqual(sum, expected, `with ${noted}`);
    assert.equal(
      [...tiers.values()].reduce((a, b) => a + b),
      sum.storedBytes,
    );
    assert.ok(noted === 1e6 ? passes === 1 : passes > 500 / noted / 2, `${passes} passes`);
  }
});
