/** What is still there after a crash: copies of the volume as a start would find it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { waitFor } from '../../scripts/lib/process.js';
import { RESERVE } from '../../src/namespace/counters.js';
import {
  afterCrash,
  isThere,
  ME,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  ROOT_INO,
  world,
  type World,
} from './world.js';

async function restart(t: Parameters<typeof afterCrash>[0], before: World): Promise<World> {
  const after = await afterCrash(t, before);
  await after.filesystem.recover(false);
  return after;
}

test('a file that was fsynced is there after a crash, with name, size and data', async (t) => {
  const w = await world(t);
  const directory = await w.mkdir('d');
  const { attributes } = await w.operations.create(ME, directory, 'a', O_RDWR, 0o640);
  w.write(attributes.ino, 'synced');
  await w.operations.fsync(ME, attributes.ino, false);
  const after = await afterCrash(t, w);
  const ino = await after.find('a', await after.find('d'));
  assert.equal(ino, attributes.ino);
  assert.deepEqual([after.inode(ino).size, after.inode(ino).mode], [6, 0o100640]);
  await after.filesystem.recover(false);
  assert.equal((await after.read(ino)).toString(), 'synced');
});

test('after the open for writing of a settled file, a crash loses no size', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'four');
  await w.settle(ino);
  assert.deepEqual(w.namespace.unsettled(), []);
  await w.open(ino, O_WRONLY);
  w.write(ino, ' and more', 4);
  const after = await afterCrash(t, w);
  assert.deepEqual(after.namespace.unsettled(), [ino]);
  await after.filesystem.recover(false);
  assert.equal((await after.getattr(ino)).size, 13);
  assert.equal((await after.read(ino)).toString(), 'four and more');
});

test('after the open for writing of a packed file, a crash finds the plain data', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'four');
  await w.demote(ino, true);
  await w.open(ino, O_RDONLY);
  await w.open(ino, O_WRONLY);
  w.write(ino, 'FOUR and more');
  const after = await restart(t, w);
  assert.equal((await after.getattr(ino)).size, 13);
  assert.equal((await after.read(ino)).toString(), 'FOUR and more');
});

test('a crash while a deleted file is open frees its space at the next start', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.open(ino, O_RDWR);
  await w.operations.unlink(ME, ROOT_INO, 'a');
  await w.store.commit();
  const found = await afterCrash(t, w);
  const path = found.backingPath(ino);
  assert.deepEqual([await isThere(path), found.namespace.orphans()], [true, [ino]]);
  await found.filesystem.recover(false);
  assert.equal(await isThere(path), false);
  assert.deepEqual([found.namespace.get(ino), found.namespace.orphans()], [undefined, []]);
});

test('a crash in the middle of a huge rm -rf does not keep the volume from starting', async (t) => {
  const w = await world(t);
  for (let i = 0; i < 200_000; i++) w.namespace.addOrphan(1_000_000 + i);
  await w.filesystem.recover(false);
  assert.equal(w.namespace.orphans().length, 0);
});

test('backing files of creations that were never committed do not take space for ever', async (t) => {
  const w = await world(t);
  const kept = await w.add('kept', 'data');
  await w.store.commit();
  const after = await afterCrash(t, w);
  const [nvme] = after.tiers.tiers;
  const stray = after.tiers.backingPath(nvme, kept + 1);
  writeFileSync(stray, 'never committed');
  await after.filesystem.recover(false);
  assert.equal(await isThere(stray), false);
  assert.equal((await after.read(kept)).toString(), 'data');
  assert.notEqual(await after.add('new', 'x'), kept + 1);
});

test('two crashes in a row before anything was committed leave no backing files', async (t) => {
  const w = await world(t);
  const kept = await w.add('kept', 'data');
  await w.store.commit();
  const [first, second] = [kept + 1, kept + 1 + RESERVE];
  const between = await afterCrash(t, w);
  assert.equal(between.namespace.reserveSpare(), second);
  const after = await afterCrash(t, between);
  const paths = [first, second].map((ino) => after.tiers.backingPath(after.tiers.tiers[0], ino));
  for (const path of paths) writeFileSync(path, '');
  await after.filesystem.recover(false);
  assert.deepEqual(await Promise.all(paths.map(isThere)), [false, false]);
});

test('files that were made ahead take no space after a crash; one that was given a name stays', async (t) => {
  const w = await world(t);
  await w.add('first');
  const ahead = w.namespace.spares();
  const used = await waitFor('a file that was made ahead is used', async () => {
    const ino = await w.add(String(Math.random()), 'data');
    return ahead.includes(ino) && ino;
  });
  await w.store.commit();
  const after = await restart(t, w);
  assert.equal((await after.read(used)).toString(), 'data');
  assert.deepEqual(after.namespace.spares(), []);
  const path = (ino: number) => after.tiers.backingPath(after.tiers.tiers[0], ino);
  for (const ino of ahead) assert.equal(await isThere(path(ino)), ino === used);
});

test('a clean end settles everything: the next start finds nothing to do', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.end();
  const after = await afterCrash(t, w);
  assert.deepEqual(after.namespace.unsettled(), []);
  assert.equal(after.inode(ino).size, 4);
});
