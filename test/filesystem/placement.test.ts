/** Where new files go, and what df(1) says about it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fails, ME, O_RDWR, ROOT_INO, world, type World } from './world.js';

const MIB = 1 << 20;

const tierOf = (w: World, ino: number) => w.tiers.byId(w.inode(ino).plainTier)?.name;

test('a new file goes to the fastest tier', async (t) => {
  const w = await world(t);
  assert.equal(tierOf(w, await w.add('a', 'x')), 'nvme');
});

test('where the fastest tier has no room, a new file goes to the next', async (t) => {
  const w = await world(t, { capacities: [MIB] });
  assert.equal(tierOf(w, await w.add('a', 'x')), 'ssd');
});

test('where no tier has room, a new file is refused and nothing of it stays', async (t) => {
  const w = await world(t, { capacities: [MIB, MIB, MIB] });
  await fails('ENOSPC', () => w.operations.create(ME, ROOT_INO, 'a', O_RDWR, 0o644));
  assert.equal(await w.find('a'), 0);
  assert.equal(w.filesystem.openHandles(), 0);
  await w.mkdir('directories still work');
});

test('a rule of the operator places new files, and falls back where that tier is full', async (t) => {
  const rules = [{ match: { path: '*.slow' }, place: { tier: 'hdd' } }];
  const w = await world(t, { rules });
  assert.equal(tierOf(w, await w.add('a.slow', 'x')), 'hdd');
  const full = await world(t, { rules, capacities: [64 * MIB, 64 * MIB, MIB] });
  assert.equal(tierOf(full, await full.add('a.slow', 'x')), 'nvme');
});

test('df sums what the tiers may hold and have free', async (t) => {
  const capacities = [16 * MIB, 32 * MIB, 64 * MIB];
  const w = await world(t, { capacities });
  await w.tiers.refresh();
  const before = await w.operations.statfs(ME);
  assert.equal(before.blocks * before.blockSize, 112 * MIB);
  assert.equal(before.availableBlocks, before.blocks);
  await w.settle(await w.add('a', Buffer.alloc(MIB, 1)));
  const after = await w.operations.statfs(ME);
  assert.equal(after.blocks, before.blocks);
  assert.equal((before.freeBlocks - after.freeBlocks) * after.blockSize, MIB);
  assert.deepEqual([before.freeFiles - after.freeFiles, after.nameLength], [1, 255]);
});
