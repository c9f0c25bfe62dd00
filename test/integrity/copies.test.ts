/** Chunks that were stored more than once: checked as all others, and each heals the other. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { decodeLocation, encodeLocation } from '../../src/content/records.js';
import { scrubPacks } from '../../src/integrity/scrub.js';
import type { Inode } from '../../src/namespace/types.js';
import { assertReads, createBench, randomBytes, removeBench } from '../content/fixture.js';
import {
  addPackedFile,
  assertClean,
  fsck,
  openVolume,
  removeFile,
  type Volume,
} from './fixture.js';

const MIB = 1 << 20;
const first = randomBytes(1, 40 * MIB);
const second = Buffer.from(first);
for (let at = 0; at < second.length; at += 256 * 1024) second.write('another', at);

let volume: Volume;
let one: Inode;
let two: Inode;
beforeEach(async () => {
  volume = openVolume(await createBench());
  one = await addPackedFile(volume, 'one', first);
  two = await addPackedFile(volume, 'two', second, { jumpRate: 1 });
});
afterEach(() => removeBench(volume.bench));

interface Copy {
  key: Buffer;
  path: string;
  offset: number;
}

/** A chunk that was stored again, and its first copy. */
function storedTwice(): { again: Copy; base: Copy } {
  const { store, tiers } = volume.bench;
  const chunks = store.table('chunks');
  const at = (key: Buffer): Copy => {
    const { packId, offset } = decodeLocation(chunks.get(key)!);
    const { tier } = volume.bench.content.packs().find((pack) => pack.packId === packId)!;
    return { key, path: tiers.packPath(tiers.byId(tier)!, packId), offset };
  };
  for (const { key } of chunks.range(Buffer.of(0))) {
    if (key.length === 33) return { again: at(key), base: at(key.subarray(0, 32)) };
  }
  throw new Error('nothing was stored again');
}

async function damage({ path, offset }: Copy, into = 100): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.from('damage'), 0, 6, offset + into);
  await file.close();
}

test('a volume with copies is well, before and after either file is deleted', async () => {
  await assertClean(volume, true);
  removeFile(volume, one);
  await volume.bench.content.reclaim();
  await assertClean(volume, true);
  await assertReads(volume.bench, two.ino, second);
  removeFile(volume, two);
  await volume.bench.content.reclaim();
  await assertClean(volume, true);
});

test('a wrong reference count of a copy is found and named', async () => {
  const { again } = storedTwice();
  const chunks = volume.bench.store.table('chunks');
  const location = decodeLocation(chunks.get(again.key)!);
  chunks.put(again.key, encodeLocation({ ...location, references: 5 }));
  const [problem, ...others] = await fsck(volume);
  assert.equal(problem.what, 'reference-count');
  assert.match(problem.subject, /, copy 1$/);
  assert.deepEqual(others, []);
});

for (const which of ['again', 'base'] as const) {
  for (const [how, into] of [
    ['its bytes are damaged', 100],
    ['nothing is left of its record', 0],
  ] as const) {
    test(`a damaged chunk heals from its other copy (${which}; ${how})`, async () => {
      await damage(storedTwice()[which], into);
      const report = await scrubPacks(volume.deps);
      assert.deepEqual([report.damaged, report.affected, report.problems], [[], [], []]);
      await assertReads(volume.bench, one.ino, first);
      await assertReads(volume.bench, two.ino, second);
      await assertClean(volume, true);
      assert.deepEqual((await scrubPacks(volume.deps)).damaged, []);
    });
  }
}

test('a chunk that is known to be damaged is read from its other copy, without a scrub', async () => {
  const { base } = storedTwice();
  await damage(base);
  volume.bench.content.markBadName(base.key);
  await assertReads(volume.bench, one.ino, first);
  await assertReads(volume.bench, two.ino, second);
});

test('where both copies are damaged, the files of both are named, and new data heals one after the other', async () => {
  const { base, again } = storedTwice();
  await damage(base);
  await damage(again);
  const report = await scrubPacks(volume.deps);
  assert.equal(report.damaged.length, 2);
  assert.deepEqual(report.affected.sort(), [one.ino, two.ino]);
  await addPackedFile(volume, 'new', first);
  await assertReads(volume.bench, one.ino, first);
  await assertReads(volume.bench, two.ino, second);
  assert.deepEqual((await scrubPacks(volume.deps)).damaged, []);
  await assertClean(volume, true);
});
