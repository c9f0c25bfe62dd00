/** Where new files go, and what df(1) says about it. */
import assert from 'node:assert/strict';
import { readdirSync, statfsSync } from 'node:fs';
import { test } from 'node:test';
import { FOPEN_PASSTHROUGH, SetattrValid } from '../../src/fuse/protocol.js';
import {
  afterCrash,
  fails,
  ME,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  ROOT_INO,
  world,
  type World,
} from './world.js';

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

test('df counts a disk once that several tiers lie on, and no more than the capacities allow', async (t) => {
  const unlimited = await world(t);
  await unlimited.tiers.refresh();
  const disk = statfsSync(unlimited.root);
  const whole = await unlimited.operations.statfs(ME);
  const [free, size] = [disk.bavail * disk.bsize, disk.blocks * disk.bsize];
  assert(whole.availableBlocks * whole.blockSize <= free + MIB, 'free space');
  assert(whole.availableBlocks * whole.blockSize > free / 2, 'free space');
  assert(whole.blocks * whole.blockSize <= size, 'size');
  const limited = await world(t, { capacities: [16 * MIB, 32 * MIB] });
  await limited.tiers.refresh();
  const { availableBlocks, blockSize } = await limited.operations.statfs(ME);
  assert(availableBlocks * blockSize <= free + MIB, 'free space with capacities');
});

/** Where nothing fits any more. */
const FULL = [MIB, MIB, MIB];

const filesOf = (w: World): string[] =>
  readdirSync(w.root, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.coral-reef\/files\/..\/./.test(path),
  );

async function empty(w: World, name: string): Promise<number> {
  return (await w.operations.mknod(ME, ROOT_INO, name, 0o100644, 0)).ino;
}

test('an empty file without a backing file is read without making one', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await empty(w, 'a');
  const opened = await w.operations.open(ME, ino, O_RDONLY, 0);
  assert.deepEqual([opened.flags & FOPEN_PASSTHROUGH, filesOf(w)], [0, []]);
  assert.equal(w.calls.at(-1), `servePlain ${ino}`);
  // Through the same cache as the reader.
  const writer = await w.operations.open(ME, ino, O_RDWR, 0);
  assert.equal(writer.flags & FOPEN_PASSTHROUGH, 0);
  w.write(ino, 'x');
  await w.close(ino, O_RDWR);
  await w.close(ino, O_RDONLY);
  assert.equal(w.calls.at(-1), `unserve ${ino}`);
  assert.equal((await w.read(ino)).toString(), 'x');
});

test('where no tier has room, empty files are read and opened for writing', async (t) => {
  const w = await world(t, { capacities: FULL });
  const ino = await empty(w, 'a');
  await w.open(ino, O_RDONLY);
  await w.close(ino, O_RDONLY);
  assert.equal(w.inode(ino).plainTier, 0);
  await w.open(ino, O_RDWR);
  assert.notEqual(w.inode(ino).plainTier, 0);
});

for (const [how, cut] of [
  ['truncate', (w, ino) => w.setattr(ino, { valid: SetattrValid.SIZE, size: 0 })],
  ['O_TRUNC', (w, ino) => w.open(ino, O_WRONLY | O_TRUNC)],
] as [string, (w: World, ino: number) => Promise<unknown>][]) {
  test(`where no tier has room, a packed file is cut to nothing by ${how}, also for who reads it`, async (t) => {
    const w = await world(t);
    const ino = await w.add('a', Buffer.alloc(MIB, 1));
    await w.demote(ino, true);
    await w.open(ino, O_RDONLY);
    for (const tier of w.tiers.tiers) w.tiers.noteFull(tier);
    await fails('ENOSPC', () => w.operations.create(ME, ROOT_INO, 'new', O_RDWR, 0o644));
    await cut(w, ino);
    const { size, blocks } = await w.getattr(ino);
    assert.deepEqual([size, blocks, w.inode(ino).packedTier], [0, 0, 0]);
    assert.equal(w.content.hasRecipe(ino), false);
    assert.equal(w.calls.filter((call) => call.startsWith('serve')).at(-1), `servePlain ${ino}`);
    const after = await afterCrash(t, w);
    await after.filesystem.recover(false);
    assert.equal((await after.getattr(ino)).size, 0);
  });
}

test('a file that was cut to nothing takes data again', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', Buffer.alloc(MIB, 1));
  await w.demote(ino, true);
  await w.setattr(ino, { valid: SetattrValid.SIZE, size: 0 });
  assert.equal(filesOf(w).filter((path) => path.endsWith(`/${ino.toString(16)}`)).length, 0);
  await w.setattr(ino, { valid: SetattrValid.SIZE, size: 3 });
  assert.deepEqual(await w.read(ino), Buffer.alloc(3));
  await w.settle(ino);
  assert.equal(w.inode(ino).unsettled, false);
});
