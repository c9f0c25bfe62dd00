/** rename(2): the one operation that programs trust to replace files without ever losing both. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { native } from '../../src/native.js';
import { atEnd } from '../migration/world.js';
import { eventually, fails, isThere, ME, ROOT_INO, world, type World } from './world.js';

const NOREPLACE = 1;
const EXCHANGE = 2;
const UNKNOWN = 8;

function rename(w: World, from: string, to: string, flags = 0): Promise<void> {
  return Promise.resolve().then(() => w.operations.rename(ME, ROOT_INO, from, ROOT_INO, to, flags));
}

test('saving by rename replaces the old file, whose space is freed', async (t) => {
  const w = await world(t);
  const old = await w.add('file', 'old');
  const fresh = await w.add('file.tmp', 'new');
  const path = w.backingPath(old);
  await rename(w, 'file.tmp', 'file');
  assert.equal(await w.find('file'), fresh);
  assert.equal(await w.find('file.tmp'), 0);
  assert.equal(w.namespace.pathOf(fresh), '/file');
  w.operations.forget(old);
  await eventually('the old one is released', () => w.namespace.get(old) === undefined);
  assert.equal(await isThere(path), false);
  assert.equal((await w.read(fresh)).toString(), 'new');
});

test('NOREPLACE never replaces', async (t) => {
  const w = await world(t);
  const a = await w.add('a', 'a');
  const b = await w.add('b', 'b');
  await fails('EEXIST', () => rename(w, 'a', 'b', NOREPLACE));
  assert.deepEqual([await w.find('a'), await w.find('b')], [a, b]);
  await rename(w, 'a', 'c', NOREPLACE);
  assert.equal(await w.find('c'), a);
  await fails('EINVAL', () => rename(w, 'b', 'd', UNKNOWN));
});

test('EXCHANGE swaps a file and a directory between directories, with the link counts', async (t) => {
  const w = await world(t);
  const left = await w.mkdir('left');
  const right = await w.mkdir('right');
  const file = await w.add('x', 'file', left);
  const directory = await w.mkdir('y', right);
  await w.operations.rename(ME, left, 'x', right, 'y', EXCHANGE);
  assert.deepEqual([await w.find('x', left), await w.find('y', right)], [directory, file]);
  assert.deepEqual(
    [w.namespace.pathOf(file), w.namespace.pathOf(directory)],
    ['/right/y', '/left/x'],
  );
  assert.deepEqual([w.inode(left).nlink, w.inode(right).nlink], [3, 2]);
  await fails('ENOENT', () => w.operations.rename(ME, left, 'x', right, 'none', EXCHANGE));
});

test('EXCHANGE swaps two files', async (t) => {
  const w = await world(t);
  const [a, b] = [await w.add('a', 'a'), await w.add('b', 'b')];
  await rename(w, 'a', 'b', EXCHANGE);
  assert.deepEqual([await w.find('a'), await w.find('b')], [b, a]);
  assert.deepEqual([w.namespace.pathOf(a), w.namespace.pathOf(b)], ['/b', '/a']);
});

test('a directory replaces an empty one only', async (t) => {
  const w = await world(t);
  const a = await w.mkdir('a');
  await w.mkdir('empty');
  const full = await w.mkdir('full');
  await w.add('file', '', full);
  await fails('ENOTEMPTY', () => rename(w, 'a', 'full'));
  await rename(w, 'a', 'empty');
  assert.equal(await w.find('empty'), a);
  assert.equal(w.inode(ROOT_INO).nlink, 4);
});

test('a file never replaces a directory, nor a directory a file', async (t) => {
  const w = await world(t);
  const directory = await w.mkdir('d');
  const file = await w.add('f', 'x');
  await fails('EISDIR', () => rename(w, 'f', 'd'));
  await fails('ENOTDIR', () => rename(w, 'd', 'f'));
  assert.deepEqual([await w.find('d'), await w.find('f')], [directory, file]);
});

test('renaming one name of a file to another name of it changes nothing', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'x');
  await w.operations.link(ME, ino, ROOT_INO, 'b');
  await rename(w, 'a', 'b');
  assert.deepEqual([await w.find('a'), await w.find('b')], [ino, ino]);
  assert.equal((await w.getattr(ino)).nlink, 2);
});

test('what lies below a renamed directory is placed and reported under its new path', async (t) => {
  const w = await world(t);
  const a = await w.mkdir('a');
  const ino = await w.add('file', 'x', a);
  await rename(w, 'a', 'b');
  assert.equal(w.namespace.pathOf(ino), '/b/file');
  const sub = await w.mkdir('sub', a);
  assert.equal((await w.operations.lookup(ME, sub, '..')).ino, a);
});

/** Flushes of files wait for `release`, or fail. */
function heldFlushes(t: TestContext) {
  const waiting: ((error?: Error) => void)[] = [];
  const flush = (): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push((error) => (error === undefined ? resolve() : reject(error)));
    });
  const { mock } = t.mock.method(native, 'fsync', flush);
  atEnd(t, () => mock.restore());
  return {
    count: () => mock.callCount(),
    begun: (count: number) =>
      eventually(`${count} flushes began`, () => mock.callCount() === count),
    release: (error?: Error) => waiting.splice(0).forEach((end) => end(error)),
  };
}

test('what takes the place of a file is durable first: a power cut leaves the old or the new', async (t) => {
  const w = await world(t);
  const old = await w.add('file', 'old');
  const fresh = await w.add('file.tmp', 'new');
  const flushes = heldFlushes(t);
  const renamed = rename(w, 'file.tmp', 'file');
  await flushes.begun(1);
  assert.deepEqual([await w.find('file'), await w.find('file.tmp')], [old, fresh]);
  flushes.release();
  await renamed;
  assert.deepEqual([await w.find('file'), await w.find('file.tmp')], [fresh, 0]);
});

test('both files of an EXCHANGE are durable first', async (t) => {
  const w = await world(t);
  const [a, b] = [await w.add('a', 'a'), await w.add('b', 'b')];
  const flushes = heldFlushes(t);
  const exchanged = rename(w, 'a', 'b', EXCHANGE);
  await flushes.begun(1);
  flushes.release();
  await flushes.begun(2);
  assert.deepEqual([await w.find('a'), await w.find('b')], [a, b]);
  flushes.release();
  await exchanged;
  assert.deepEqual([await w.find('a'), await w.find('b')], [b, a]);
});

test('a file whose data could not be made durable replaces nothing, and the program is told', async (t) => {
  const w = await world(t);
  const [old, fresh] = [await w.add('file', 'old'), await w.add('file.tmp', 'new')];
  const flushes = heldFlushes(t);
  const renamed = rename(w, 'file.tmp', 'file');
  await flushes.begun(1);
  flushes.release(Object.assign(new Error('fdatasync'), { code: 'EIO' }));
  await fails('EIO', () => renamed);
  assert.deepEqual([await w.find('file'), await w.find('file.tmp')], [old, fresh]);
});

test('no rename waits for a disk that replaces nothing, or only what is settled or empty', async (t) => {
  const w = await world(t);
  await w.add('file', 'old');
  await w.add('new', 'new');
  await w.add('empty');
  await w.settle(await w.add('settled', 'settled'));
  const flushes = heldFlushes(t);
  for (const [from, to] of [
    ['new', 'other'],
    ['settled', 'file'],
    ['empty', 'file'],
  ]) {
    assert.equal(w.operations.rename(ME, ROOT_INO, from, ROOT_INO, to, 0), undefined);
  }
  assert.equal(flushes.count(), 0);
});

test('names that changed during the flush are looked up again', async (t) => {
  const w = await world(t);
  await w.add('file', 'old');
  await w.add('file.tmp', 'new');
  const flushes = heldFlushes(t);
  const renamed = rename(w, 'file.tmp', 'file');
  await flushes.begun(1);
  await rename(w, 'file.tmp', 'elsewhere');
  const other = await w.add('file.tmp', 'newer');
  flushes.release();
  await flushes.begun(2);
  flushes.release();
  await renamed;
  assert.deepEqual([await w.find('file'), await w.find('file.tmp')], [other, 0]);
  const gone = rename(w, 'elsewhere', 'file');
  await flushes.begun(3);
  await w.operations.unlink(ME, ROOT_INO, 'elsewhere');
  flushes.release();
  await fails('ENOENT', () => gone);
  assert.equal(await w.find('file'), other);
});
