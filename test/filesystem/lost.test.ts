/** Files whose bytes were lost with a tier: they never read as something else, and can be replaced and deleted. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { SetattrValid } from '../../src/fuse/protocol.js';
import { atEnd } from '../migration/world.js';
import {
  afterCrash,
  eventually,
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

const REMOVED = 9;
const OLD = 'what was there';

/** As giving up a tier leaves them. */
async function worldWithLost(t: TestContext): Promise<{ w: World; ino: number }> {
  const w = await world(t);
  const ino = await w.add('file', OLD);
  await w.settle(ino);
  rmSync(w.backingPath(ino));
  w.filesystem.activity.moved(ino, 'data');
  Object.assign(w.inode(ino), { plainTier: REMOVED, plainBlocks: 0 });
  w.namespace.update(w.inode(ino));
  w.namespace.addLost(ino);
  await w.namespace.commit();
  return { w, ino };
}

const cut = (w: World, ino: number, size: number) =>
  w.setattr(ino, { valid: SetattrValid.SIZE, size });

async function assertLost(w: World, ino: number): Promise<void> {
  for (const flags of [O_RDONLY, O_RDWR]) await fails('EIO', () => w.open(ino, flags));
  await fails('EIO', () => cut(w, ino, 5));
  assert.equal((await w.getattr(ino)).size, OLD.length);
  assert.equal(w.filesystem.openHandles(), 0);
}

test('reading, changing and cutting to a part give EIO, and change nothing', async (t) => {
  const { w, ino } = await worldWithLost(t);
  await assertLost(w, ino);
  await w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o600 });
  await w.operations.rename(ME, ROOT_INO, 'file', ROOT_INO, 'other', 0);
  assert.equal(await w.find('other'), ino);
  await assertLost(w, ino);
  await assertLost(await afterCrash(t, w), ino);
});

test('who writes it anew has all of what was written, also after a crash', async (t) => {
  const { w, ino } = await worldWithLost(t);
  await w.open(ino, O_WRONLY | O_TRUNC);
  // Nothing was synced: it is empty, or what was written by then.
  const early = await afterCrash(t, w);
  await early.filesystem.recover(false);
  assert.equal((await early.getattr(ino)).size, 0);
  w.write(ino, 'new');
  await w.close(ino, O_WRONLY | O_TRUNC);
  await w.settle(ino);
  assert.equal((await w.read(ino)).toString(), 'new');
  assert.equal((await (await afterCrash(t, w)).read(ino)).toString(), 'new');
});

test('a program that opens it for writing, and then cuts it to nothing, writes it anew', async (t) => {
  const { w, ino } = await worldWithLost(t);
  await w.open(ino, O_WRONLY);
  // What is written now goes nowhere, with an error: the session has nothing to write to.
  assert.equal(w.calls.at(-1), `servePacked ${ino}`);
  await fails('EIO', () => w.open(ino, O_RDWR));
  assert.equal((await w.getattr(ino)).size, OLD.length);
  assert.equal((await cut(w, ino, 0)).size, 0);
  assert.equal(w.calls.at(-1), `servePlain ${ino}`);
  w.write(ino, 'new');
  await w.close(ino, O_WRONLY);
  assert.equal((await w.read(ino)).toString(), 'new');
});

test('one that was opened for writing and closed again is lost as before', async (t) => {
  const { w, ino } = await worldWithLost(t);
  await w.open(ino, O_WRONLY);
  await w.close(ino, O_WRONLY);
  await assertLost(w, ino);
  await assertLost(await afterCrash(t, w), ino);
});

test('one that was mostly a hole of any size is no burden to whoever opens it for writing', async (t) => {
  const { w, ino } = await worldWithLost(t);
  for (const size of [2 ** 50, 2 ** 53]) {
    w.inode(ino).size = size;
    w.namespace.update(w.inode(ino));
    await fails('EIO', () => w.open(ino, O_WRONLY));
  }
  await w.open(ino, O_WRONLY | O_TRUNC);
  await w.close(ino, O_WRONLY | O_TRUNC);
  assert.equal((await w.getattr(ino)).size, 0);
});

test('one that was cut to nothing is an empty file', async (t) => {
  const { w, ino } = await worldWithLost(t);
  assert.equal((await cut(w, ino, 0)).size, 0);
  assert.equal(w.inode(ino).plainTier, 0);
  await w.open(ino, O_RDWR);
  w.write(ino, 'new');
  await w.close(ino, O_RDWR);
  assert.equal((await w.read(ino)).toString(), 'new');
});

test('where nothing can be recorded it stays lost, and does not look empty', async (t) => {
  const { w, ino } = await worldWithLost(t);
  const failing = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  const store = w.store as unknown as { writeTransaction(): Promise<void> };
  const { mock } = t.mock.method(store, 'writeTransaction', failing);
  atEnd(t, () => mock.restore());
  await fails('ENOSPC', () => w.open(ino, O_WRONLY | O_TRUNC));
  await fails('ENOSPC', () => cut(w, ino, 0));
  await assertLost(w, ino);
  mock.restore();
  await w.namespace.commit();
  await assertLost(w, ino);
});

test('a deleted one is gone, and so is its number', async (t) => {
  const { w, ino } = await worldWithLost(t);
  await w.operations.unlink(ME, ROOT_INO, 'file');
  w.operations.forget(ino);
  await eventually('it is given back', () => w.namespace.get(ino) === undefined);
  assert.deepEqual([w.namespace.orphans(), w.namespace.lost()], [[], []]);
});

test('one that is whole again is no lost one any more, so that the next tier to go takes along what is lost then', async (t) => {
  for (const replace of [
    (w: World, ino: number) => cut(w, ino, 0),
    (w: World, ino: number) => w.open(ino, O_WRONLY | O_TRUNC),
  ]) {
    const { w, ino } = await worldWithLost(t);
    await w.open(ino, O_WRONLY);
    await w.close(ino, O_WRONLY);
    assert.deepEqual(w.namespace.lost(), [ino]);
    await replace(w, ino);
    assert.deepEqual(w.namespace.lost(), []);
    assert.deepEqual((await afterCrash(t, w)).namespace.lost(), []);
  }
});
