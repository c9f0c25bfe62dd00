/** Names and directories: what programs may rely on when they make, find, link and remove them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fails, isThere, eventually, ME, O_RDWR, ROOT_INO, world } from './world.js';

test('a file that was made is found, with the owner and mode it was made with', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'hello');
  const found = await w.operations.lookup(ME, ROOT_INO, 'a');
  assert.equal(found.ino, ino);
  assert.equal(found.mode, 0o100644);
  assert.deepEqual([found.uid, found.gid, found.nlink, found.size], [1000, 1000, 1, 5]);
  assert.deepEqual(await w.getattr(ino), found);
});

test('a missing name is told as such, also to a kernel that remembers', async (t) => {
  const w = await world(t);
  const missing = await w.operations.lookup(ME, ROOT_INO, 'a');
  assert.equal(missing.ino, 0);
  assert(missing.entryValid > 0);
  await fails('ESTALE', () => w.getattr(12345));
  await fails('ENOENT', () => w.operations.unlink(ME, ROOT_INO, 'a'));
});

test('making a name that exists does not harm the file behind it', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'kept');
  await fails('EEXIST', () => w.operations.create(ME, ROOT_INO, 'a', O_RDWR, 0o644));
  await fails('EEXIST', () => w.operations.mkdir(ME, ROOT_INO, 'a', 0o755));
  await fails('EEXIST', () => w.operations.symlink(ME, ROOT_INO, 'a', 'x'));
  assert.equal((await w.read(ino)).toString(), 'kept');
});

test('names of 255 bytes work everywhere, and 256 are refused everywhere', async (t) => {
  const w = await world(t);
  const { operations } = w;
  const long = 'n'.repeat(256);
  const ino = await w.add(long.slice(1), 'x');
  assert.equal(await w.find(long.slice(1)), ino);
  await fails('ENAMETOOLONG', () => operations.lookup(ME, ROOT_INO, long));
  await fails('ENAMETOOLONG', () => operations.create(ME, ROOT_INO, long, O_RDWR, 0o644));
  await fails('ENAMETOOLONG', () => operations.mkdir(ME, ROOT_INO, long, 0o755));
  await fails('ENAMETOOLONG', () => operations.symlink(ME, ROOT_INO, long, 'x'));
  await fails('ENAMETOOLONG', () => operations.link(ME, ino, ROOT_INO, long));
  await fails('ENAMETOOLONG', () => operations.unlink(ME, ROOT_INO, long));
  await fails('ENAMETOOLONG', () => operations.rmdir(ME, ROOT_INO, long));
  const old = long.slice(1);
  await fails('ENAMETOOLONG', () => operations.rename(ME, ROOT_INO, old, ROOT_INO, long, 0));
});

test('link counts of directories tell find(1) how many subdirectories there are', async (t) => {
  const w = await world(t);
  const nlink = async (ino: number) => (await w.getattr(ino)).nlink;
  const a = await w.mkdir('a');
  const b = await w.mkdir('b');
  const sub = await w.mkdir('sub', a);
  await w.add('file', '', a);
  assert.deepEqual([await nlink(ROOT_INO), await nlink(a), await nlink(b)], [4, 3, 2]);
  await w.operations.rename(ME, a, 'sub', b, 'sub', 0);
  assert.deepEqual([await nlink(a), await nlink(b), await nlink(sub)], [2, 3, 2]);
  await w.operations.rmdir(ME, b, 'sub');
  assert.deepEqual([await nlink(b), await nlink(sub)], [2, 0]);
});

test('a directory with something in it cannot be removed, nor taken for a file', async (t) => {
  const w = await world(t);
  const a = await w.mkdir('a');
  await w.add('file', 'x', a);
  await fails('ENOTEMPTY', () => w.operations.rmdir(ME, ROOT_INO, 'a'));
  await fails('EISDIR', () => w.operations.unlink(ME, ROOT_INO, 'a'));
  await fails('ENOTDIR', () => w.operations.rmdir(ME, a, 'file'));
  await fails('EPERM', () => w.operations.link(ME, a, ROOT_INO, 'b'));
  assert.notEqual(await w.find('file', a), 0);
});

test('nothing can be made in a directory that was removed: it would be lost', async (t) => {
  const w = await world(t);
  const a = await w.mkdir('a');
  const file = await w.add('file', 'x');
  await w.operations.rmdir(ME, ROOT_INO, 'a');
  await fails('ENOENT', () => w.operations.create(ME, a, 'b', O_RDWR, 0o644));
  await fails('ENOENT', () => w.operations.mkdir(ME, a, 'b', 0o755));
  await fails('ENOENT', () => w.operations.rename(ME, ROOT_INO, 'file', a, 'b', 0));
  await fails('ENOENT', () => w.operations.link(ME, file, a, 'b'));
});

test('files in a setgid directory belong to its group, and subdirectories pass it on', async (t) => {
  const w = await world(t);
  const shared = await w.mkdir('shared', ROOT_INO, 0o2775);
  w.inode(shared).gid = 77;
  const sub = await w.getattr(await w.mkdir('sub', shared));
  assert.deepEqual([sub.gid, sub.mode & 0o7777], [77, 0o2755]);
  const file = await w.getattr(await w.add('file', '', sub.ino));
  assert.deepEqual([file.gid, file.uid, file.mode & 0o7777], [77, 1000, 0o644]);
});

test('a symlink gives back the very bytes it was made with', async (t) => {
  const w = await world(t);
  const target = 'models/\xff\x01/x';
  const { ino, size, mode } = await w.operations.symlink(ME, ROOT_INO, 'l', target);
  assert.equal(await w.operations.readlink(ME, ino), target);
  assert.deepEqual([size, mode], [target.length, 0o120777]);
  await fails('EINVAL', () => w.operations.readlink(ME, ROOT_INO));
  const long = 'x'.repeat(4096);
  await fails('ENAMETOOLONG', () => w.operations.symlink(ME, ROOT_INO, 'm', long));
});

test('a file lives as long as one of its names', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  assert.equal((await w.operations.link(ME, ino, ROOT_INO, 'b')).nlink, 2);
  await w.operations.unlink(ME, ROOT_INO, 'a');
  assert.equal(await w.find('b'), ino);
  assert.equal((await w.getattr(ino)).nlink, 1);
  assert.equal((await w.read(ino)).toString(), 'data');
  assert.deepEqual(w.namespace.orphans(), []);
});

test('rules and reports find a file under its other name once one is gone', async (t) => {
  const w = await world(t);
  const directory = await w.mkdir('d');
  const ino = await w.add('a', 'data');
  await w.operations.link(ME, ino, directory, 'b');
  await w.operations.unlink(ME, ROOT_INO, 'a');
  assert.equal(w.namespace.pathOf(ino), '/d/b', 'the newest name stays without a look-up');
  await w.operations.link(ME, ino, ROOT_INO, 'e');
  await w.operations.unlink(ME, ROOT_INO, 'e');
  await w.find('b', directory);
  assert.equal(w.namespace.pathOf(ino), '/d/b');
  await w.operations.rename(ME, directory, 'b', ROOT_INO, 'c', 0);
  assert.equal(w.namespace.pathOf(ino), '/c');
});

test('a file deleted while open keeps its data until it is closed, then frees its space', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.open(ino, O_RDWR);
  const path = w.backingPath(ino);
  await w.operations.unlink(ME, ROOT_INO, 'a');
  assert.equal((await w.getattr(ino)).nlink, 0);
  w.operations.forget(ino);
  await w.store.commit();
  assert.equal((await w.read(ino)).toString(), 'data');
  await w.close(ino, O_RDWR);
  await eventually('the inode is released', () => w.namespace.get(ino) === undefined);
  assert.equal(await isThere(path), false);
  assert.deepEqual(w.namespace.orphans(), []);
  assert.equal(w.tiers.usage(w.tiers.tiers[0]).plainBytes, 0);
});

test('the space of deleted files comes back although more and more is deleted', async (t) => {
  const w = await world(t);
  const remove = async (ino: number, name: string): Promise<void> => {
    await w.operations.unlink(ME, ROOT_INO, name);
    w.operations.forget(ino);
  };
  const first = await w.add('first', 'data');
  const path = w.backingPath(first);
  await remove(first, 'first');
  for (let n = 0; await isThere(path); n++) {
    const name = `later ${n}`;
    // Empty, so that only time releases the first one.
    await remove(await w.add(name), name);
    await setTimeout(10);
  }
});

test('a file without a name can be given one later, and then stays', async (t) => {
  const w = await world(t);
  const { attributes } = await w.operations.tmpfile(ME, ROOT_INO, O_RDWR, 0o600);
  const { ino } = attributes;
  assert.equal(attributes.nlink, 0);
  w.write(ino, 'late');
  await w.operations.link(ME, ino, ROOT_INO, 'named');
  await w.close(ino, O_RDWR);
  w.operations.forget(ino);
  await w.settle(ino);
  assert.equal(await w.find('named'), ino);
  assert.deepEqual([(await w.getattr(ino)).size, w.inode(ino).unsettled], [4, false]);
  assert.equal(w.namespace.pathOf(ino), '/named');
  assert.deepEqual(w.namespace.orphans(), []);
});

test('a file without a name that gets one after all is kept, however late', async (t) => {
  const w = await world(t);
  const { attributes } = await w.operations.tmpfile(ME, ROOT_INO, O_RDWR, 0o600);
  const { ino } = attributes;
  w.write(ino, 'data');
  await w.close(ino, O_RDWR);
  w.operations.forget(ino);
  await w.operations.link(ME, ino, ROOT_INO, 'a');
  await w.filesystem.releaseDeleted();
  assert.equal(await w.find('a'), ino);
  assert.equal((await w.read(ino)).toString(), 'data');
  await w.operations.unlink(ME, ROOT_INO, 'a');
  w.operations.forget(ino);
  await w.operations.link(ME, ino, ROOT_INO, 'b');
  await w.operations.unlink(ME, ROOT_INO, 'b');
  await w.filesystem.releaseDeleted();
  assert.equal((await w.read(ino)).toString(), 'data', 'the kernel holds it again');
  w.operations.forget(ino);
  await w.filesystem.releaseDeleted();
  assert.equal(w.namespace.get(ino), undefined);
});
