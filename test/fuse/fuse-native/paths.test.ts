/** Paths of libfuse 2 lead to the right inode, also after directories moved. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Paths, ROOT_INO } from '../../../src/fuse/fuse-native/paths.js';
import { ME as CALLER, world as createWorld, type World } from '../../filesystem/world.js';

async function tree(t: TestContext): Promise<{ world: World; paths: Paths }> {
  const world = await createWorld(t);
  const { operations } = world;
  const made = async (parent: number, name: string) =>
    (await operations.mkdir(CALLER, parent, name, 0o755)).ino;
  await made(await made(await made(ROOT_INO, 'a'), 'b'), 'c');
  return { world, paths: new Paths(operations) };
}

test('a path leads to what look-ups from the root lead to', async (t) => {
  const { world, paths } = await tree(t);
  const a = await world.operations.lookup(CALLER, ROOT_INO, 'a');
  const b = await world.operations.lookup(CALLER, a.ino, 'b');
  assert.equal(await paths.inoOf(CALLER, '/'), ROOT_INO);
  assert.equal(await paths.inoOf(CALLER, '/a'), a.ino);
  assert.equal(await paths.inoOf(CALLER, '/a/b'), b.ino);
  assert.deepEqual(await paths.placeOf(CALLER, '/a/b/new'), { parent: b.ino, name: 'new' });
  assert.deepEqual(await paths.placeOf(CALLER, '/new'), { parent: ROOT_INO, name: 'new' });
});

test('what is not there is ENOENT, and so is a file without a path', async (t) => {
  const { paths } = await tree(t);
  for (const path of ['/x', '/a/x', '/x/b', '/a/x/c', '']) {
    await assert.rejects(paths.inoOf(CALLER, path), { code: 'ENOENT' });
  }
});

test('a directory that took the place of another is not taken for it', async (t) => {
  const { world, paths } = await tree(t);
  const before = await paths.inoOf(CALLER, '/a/b/c');
  await world.operations.rename(CALLER, ROOT_INO, 'a', ROOT_INO, 'moved', 0);
  paths.forgetDirectories();
  await assert.rejects(paths.inoOf(CALLER, '/a/b/c'), { code: 'ENOENT' });
  assert.equal(await paths.inoOf(CALLER, '/moved/b/c'), before);
  await world.operations.mkdir(CALLER, ROOT_INO, 'a', 0o755);
  await assert.rejects(paths.inoOf(CALLER, '/a/b'), { code: 'ENOENT' });
});

test('a hidden name is an alias until it is dropped, wherever its directory moved', async (t) => {
  const { paths } = await tree(t);
  paths.hide('/a/b/.fuse_hidden0000000700000001', 4711);
  assert.equal(await paths.inoOf(CALLER, '/a/.fuse_hidden0000000700000001'), 4711);
  assert.equal(paths.isHidden('/a/b/c'), false);
  assert.equal(paths.dropHidden('/a/b/.fuse_hidden0000000700000001'), true);
  assert.equal(paths.dropHidden('/a/b/.fuse_hidden0000000700000001'), false);
  const gone = paths.inoOf(CALLER, '/a/b/.fuse_hidden0000000700000001');
  await assert.rejects(gone, { code: 'ENOENT' });
});
