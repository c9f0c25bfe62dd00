/** What was marked as damaged and is good now: its disk was away, or its pack has been restored. */
import assert from 'node:assert/strict';
import { copyFileSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { sliceChunks } from '../../src/content/chunk-index.js';
import { scrub } from '../../src/integrity/scrub.js';
import type { Inode } from '../../src/namespace/types.js';
import {
  assertReads,
  createBench,
  FAST,
  packFile,
  randomBytes,
  removeBench,
} from '../content/fixture.js';
import { addPackedFile, assertClean, fsck, openVolume, type Volume } from './fixture.js';

const MIB = 1 << 20;
const bytes = randomBytes(1, 4 * MIB);
let volume: Volume;
beforeEach(async () => {
  volume = openVolume(await createBench());
});
afterEach(() => removeBench(volume.bench));

const badChunks = (): number => volume.bench.content.damage().badChunks;

async function packOf({ ino }: Inode): Promise<string> {
  return (await volume.bench.content.planFor(ino)).packPaths[0];
}

/** Every chunk that there is. @returns how many */
function markAll(): number {
  const { store, content } = volume.bench;
  const all = sliceChunks(store, undefined, 100_000);
  for (const { name } of all) content.markBadName(name);
  return all.length;
}

async function damageChunk({ ino }: Inode, chunk: number): Promise<void> {
  const { packPaths, offsets } = await volume.bench.content.planFor(ino);
  const file = await open(packPaths[0], 'r+');
  await file.write(Buffer.from('damage'), 0, 6, offsets[chunk] + 100);
  await file.close();
}

test('what was marked while its disk was away is good again, and shared again, after a scrub', async () => {
  const one = await addPackedFile(volume, 'one', bytes);
  const count = markAll();
  assert.equal(badChunks(), count);
  const { healed, problems } = await scrub(volume.deps);
  assert.deepEqual([healed, problems, badChunks()], [count, [], 0]);
  await assertClean(volume);
  await assertReads(volume.bench, one.ino, bytes);
  assert.equal((await packFile(volume.bench, 100, bytes)).newBytes, 0);
  volume.bench.content.releaseRecipe(100);
});

test('a check of everything names only what is still damaged', async () => {
  const one = await addPackedFile(volume, 'one', bytes);
  const two = await addPackedFile(volume, 'two', randomBytes(2, MIB));
  await damageChunk(two, 1);
  markAll();
  const problems = await fsck(volume, true);
  assert.equal(problems.length, 1);
  assert.match(problems[0].subject, /\(\/two\)/);
  assert.match(problems[0].detail, /^1 of its chunks/);
  assert.equal(badChunks(), 1);
  await assertReads(volume.bench, one.ino, bytes);
});

test('a pack that is restored from a backup is good again', async () => {
  const one = await addPackedFile(volume, 'one', bytes);
  const path = await packOf(one);
  copyFileSync(path, `${path}.backup`);
  for (const chunk of [2, 7]) await damageChunk(one, chunk);
  assert.equal((await scrub(volume.deps)).damaged.length, 2);
  copyFileSync(`${path}.backup`, path);
  assert.equal((await scrub(volume.deps)).healed, 2);
  assert.equal(badChunks(), 0);
  await assertClean(volume);
  await assertReads(volume.bench, one.ino, bytes);
});

test('two packs that changed places are good again when they are back', async () => {
  const one = await addPackedFile(volume, 'one', bytes);
  const two = await addPackedFile(volume, 'two', randomBytes(2, MIB), { tier: FAST });
  const [first, second] = [await packOf(one), await packOf(two)];
  const swap = (): void => {
    renameSync(first, `${first}.away`);
    copyFileSync(second, first);
    copyFileSync(`${first}.away`, second);
  };
  swap();
  assert.deepEqual((await scrub(volume.deps)).affected.sort(), [one.ino, two.ino]);
  swap();
  assert.deepEqual((await scrub(volume.deps)).problems, []);
  assert.equal(badChunks(), 0);
  await assertClean(volume);
  await assertReads(volume.bench, one.ino, bytes);
});

test('the pack of another volume vouches for nothing, though its records say the same', async () => {
  const one = await addPackedFile(volume, 'one', bytes);
  const path = await packOf(one);
  const other = await createBench();
  try {
    await packFile(other, 10, bytes);
    copyFileSync((await other.content.planFor(10)).packPaths[0], path);
  } finally {
    await removeBench(other);
  }
  for (let round = 0; round < 2; round++) {
    const { affected, healed } = await scrub(volume.deps);
    assert.deepEqual([affected, healed], [[one.ino], 0]);
    assert.ok(badChunks() > 0);
  }
});
