/** Needs root: a disk that falls out while it is read has damaged nothing. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Problem } from '../../src/integrity/report.js';
import { scrub } from '../../src/integrity/scrub.js';
import { native } from '../../src/native.js';
import { loopFilesystem, makeUnreadable, shutDown } from '../loop-filesystem.js';
import { createBench, randomBytes, removeBench } from '../content/fixture.js';
import { addPackedFile, openVolume, type Volume } from './fixture.js';

const MIB = 1 << 20;

async function volumeFor(t: TestContext, hdd?: string): Promise<Volume> {
  const bench = await createBench({ tierPaths: hdd === undefined ? {} : { hdd } });
  t.after(() => removeBench(bench));
  return openVolume(bench);
}

function assertMissing(problems: readonly Problem[], tier: string): void {
  const found = problems.map(({ what, subject }) => [what, subject]);
  assert.deepEqual(found, [['no-tier', `tier ${tier}`]]);
}

test('a disk that falls out while scrub reads a pack has damaged no chunk', async (t) => {
  let unmount: () => void = () => {};
  const hdd = loopFilesystem('ext4', (end) => (unmount = end));
  const volume = await volumeFor(t, hdd);
  t.after(unmount);
  await addPackedFile(volume, 'one', randomBytes(1, 48 * MIB));
  // It has read a part of it by then.
  t.after(() => native.setBackgroundRate(Infinity));
  native.setBackgroundRate(16 * MIB);
  const done = scrub(volume.deps);
  await delay(700);
  shutDown(hdd);
  native.setBackgroundRate(Infinity);
  const { packs, damaged, affected, problems } = await done;
  assertMissing(problems, 'hdd');
  assert.deepEqual([packs, damaged, affected], [0, [], []]);
  assert.equal(volume.bench.content.damage().badChunks, 0);
});

test('a disk that falls out before scrub opens a pack or a hot copy is named, and nothing else', async (t) => {
  for (const name of ['hdd', 'nvme']) {
    const volume = await volumeFor(t);
    const { tiers, directory, store } = volume.bench;
    const inode = await addPackedFile(volume, 'one', randomBytes(1, MIB));
    inode.plainTier = name === 'nvme' ? 1 : 0;
    inode.digest = '00';
    volume.namespace.update(inode);
    writeFileSync(tiers.backingPath(tiers.tiers[0], inode.ino), '');
    await store.commit();
    const { path } = tiers.byName(name)!;
    const dropped: number[] = [];
    const deps = { ...volume.deps, dropHotCopy: async (ino: number) => dropped.push(ino) > 0 };
    renameSync(path, join(directory, 'away'));
    assertMissing((await scrub(deps)).problems, name);
    assert.deepEqual(dropped, []);
    renameSync(join(directory, 'away'), path);
  }
});

test('a sector that can not be read is damage: the disk is there', async (t) => {
  let unmount: () => void = () => {};
  const hdd = loopFilesystem('btrfs', (end) => (unmount = end));
  const volume = await volumeFor(t, hdd);
  t.after(unmount);
  const bytes = randomBytes(1, 8 * MIB);
  const inode = await addPackedFile(volume, 'one', bytes);
  makeUnreadable(hdd, bytes.subarray(4 * MIB, 4 * MIB + 64));
  const { damaged, affected, problems } = await scrub(volume.deps);
  assert.equal(damaged.length, 1);
  assert.deepEqual(affected, [inode.ino]);
  assert.deepEqual(
    problems.map(({ what }) => what),
    ['damaged-file'],
  );
  assert.equal(volume.bench.content.damage().badChunks, 1);
});
