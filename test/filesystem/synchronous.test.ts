/** O_SYNC and the mount options `sync` and `dirsync`: what a program was told is there after any crash. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { MS } from '../../src/config/mount-options.js';
import { SetattrValid } from '../../src/fuse/protocol.js';
import { atEnd } from '../migration/world.js';
import { afterCrash, fails, ME, O_WRONLY, ROOT_INO, world, type World } from './world.js';

const { O_DSYNC, O_SYNC } = constants;

async function restart(t: TestContext, before: World): Promise<World> {
  const after = await afterCrash(t, before);
  await after.filesystem.recover(false);
  return after;
}

for (const [name, flag] of Object.entries({ O_SYNC, O_DSYNC })) {
  const flags = O_WRONLY | flag;
  test(`what is written with ${name} to a new file is there after a crash`, async (t) => {
    const w = await world(t);
    const { attributes } = await w.operations.create(ME, ROOT_INO, 'a', flags, 0o644);
    w.write(attributes.ino, 'data');
    const after = await restart(t, w);
    assert.equal((await after.read(await after.find('a'))).toString(), 'data');
  });

  test(`what is written with ${name} to a file made just before is there after a crash`, async (t) => {
    const w = await world(t);
    const ino = await w.add('a');
    await w.open(ino, flags);
    w.write(ino, 'data');
    const after = await restart(t, w);
    assert.equal((await after.read(await after.find('a'))).toString(), 'data');
  });
}

test('a file without a name that is opened with O_SYNC is on record', async (t) => {
  const w = await world(t);
  const { attributes } = await w.operations.tmpfile(ME, ROOT_INO, O_WRONLY | O_SYNC, 0o644);
  const after = await afterCrash(t, w);
  assert.deepEqual(after.namespace.orphans(), [attributes.ino]);
});

for (const flag of ['SYNCHRONOUS', 'DIRSYNC'] as const) {
  test(`with ${flag} no change of names or attributes is lost once it was answered`, async (t) => {
    const w = await world(t, { mountFlags: MS[flag] });
    const { operations } = w;
    const durable = async (look: (after: World) => Promise<unknown>) =>
      look(await afterCrash(t, w));
    const there = (name: string, is = true) =>
      durable(async (after) => assert.equal((await after.find(name)) !== 0, is, name));
    const ino = await w.add('file');
    await there('file');
    await w.mkdir('directory');
    await there('directory');
    await operations.mknod(ME, ROOT_INO, 'fifo', 0o10644, 0);
    await there('fifo');
    await operations.symlink(ME, ROOT_INO, 'symlink', 'file');
    await there('symlink');
    await operations.link(ME, ino, ROOT_INO, 'link');
    await there('link');
    await operations.rename(ME, ROOT_INO, 'link', ROOT_INO, 'renamed', 0);
    await there('renamed');
    await operations.unlink(ME, ROOT_INO, 'renamed');
    await there('renamed', false);
    await operations.rmdir(ME, ROOT_INO, 'directory');
    await there('directory', false);
    await w.setattr(ino, { valid: SetattrValid.MODE, mode: 0o600 });
    await durable(async (after) => assert.equal((await after.getattr(ino)).mode, 0o100600));
    await operations.setxattr(ME, ino, 'user.a', Buffer.from('value'), 0);
    await durable(async (after) =>
      assert.equal(String(await after.operations.getxattr(ME, ino, 'user.a')), 'value'),
    );
    await operations.removexattr(ME, ino, 'user.a');
    await durable((after) => fails('ENODATA', () => after.operations.getxattr(ME, ino, 'user.a')));
  });
}

test('with sync every open for writing counts as synchronous', async (t) => {
  const w = await world(t, { mountFlags: MS.SYNCHRONOUS });
  const { attributes } = await w.operations.create(ME, ROOT_INO, 'a', O_WRONLY, 0o644);
  w.write(attributes.ino, 'data');
  const after = await restart(t, w);
  assert.equal((await after.read(await after.find('a'))).toString(), 'data');
});

test('an open with O_SYNC fails where nothing can be made durable, and leaves no handle', async (t) => {
  const w = await world(t);
  const failing = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  const { mock } = t.mock.method(w.store, 'commit', failing);
  atEnd(t, () => mock.restore());
  await fails('ENOSPC', () => w.operations.create(ME, ROOT_INO, 'a', O_WRONLY | O_SYNC, 0o644));
  const ino = await w.find('a');
  await fails('ENOSPC', () => w.operations.open(ME, ino, O_WRONLY | O_DSYNC, 0));
  assert.equal(w.filesystem.openHandles(), 0);
});
