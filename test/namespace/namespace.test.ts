/** Inodes, attributes and the sets beside them: what a user would miss if they were wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESERVE } from '../../src/namespace/counters.js';
import { ROOT_INO } from '../../src/namespace/types.js';
import { DIRECTORY, FILE, make, openScratch } from './open.js';

test('a new namespace has a root directory and nothing else', async (t) => {
  const { namespace } = await openScratch(t);
  const root = namespace.get(ROOT_INO);
  assert.deepEqual([root?.mode, root?.nlink, root?.uid], [DIRECTORY, 2, 0]);
  assert.deepEqual([...namespace.inodes(0)], [root]);
  assert.equal(namespace.counts.inodes, 1);
  assert.equal(namespace.pathOf(ROOT_INO), '/');
  assert.equal(namespace.isEmpty(ROOT_INO), true);
});

test('an inode is the same after reopening, with all its changes', async (t) => {
  const opened = await openScratch(t);
  const inode = make(opened.namespace, ROOT_INO, 'a');
  inode.size = 2 ** 40;
  inode.digest = 'ab'.repeat(16);
  opened.namespace.update(inode);
  await opened.namespace.commit();
  inode.heat = 0.5;
  opened.namespace.update(inode);
  const { namespace } = await opened.reopen();
  assert.deepEqual(namespace.get(inode.ino), inode);
  assert.equal(namespace.counts.inodes, 2);
});

test('changes of one inode meet in one object, before, during and after a commit', async (t) => {
  const { namespace } = await openScratch(t);
  const inode = make(namespace, ROOT_INO, 'a');
  assert.equal(namespace.get(inode.ino), inode);
  const leaving = namespace.commit();
  await Promise.resolve();
  assert.equal(namespace.get(inode.ino), inode);
  inode.size = 7;
  namespace.update(inode);
  await leaving;
  assert.equal(namespace.get(inode.ino), inode);
  await namespace.commit();
  assert.equal(namespace.get(inode.ino), inode);
});

test('an object that the cache dropped cannot overwrite newer changes', async (t) => {
  const { namespace } = await openScratch(t, { cachedInodes: 2 });
  const held = make(namespace, ROOT_INO, 'a');
  await namespace.commit();
  for (let i = 0; i < 5; i++) make(namespace, ROOT_INO, `other ${i}`);
  await namespace.commit();
  const fresh = namespace.get(held.ino)!;
  assert.notEqual(fresh, held);
  fresh.size = 5;
  namespace.update(fresh);
  held.size = 1;
  assert.throws(() => namespace.update(held), { code: 'ESTALE' });
  assert.equal(namespace.get(held.ino)?.size, 5);
});

test('a destroyed inode is gone with its attributes and does not come back', async (t) => {
  const opened = await openScratch(t);
  const { namespace } = opened;
  const kept = make(namespace, ROOT_INO, 'kept');
  const inode = make(namespace, ROOT_INO, 'a');
  inode.unsettled = true;
  namespace.update(inode);
  namespace.setXattr(inode.ino, 'user.x', Buffer.from('1'));
  namespace.setXattr(kept.ino, 'user.x', Buffer.from('2'));
  await namespace.commit();
  namespace.remove(ROOT_INO, 'a');
  namespace.destroy(inode);
  namespace.destroy(inode);
  assert.equal(namespace.get(inode.ino), undefined);
  assert.throws(() => namespace.update(inode), { code: 'ESTALE' });
  const again = (await opened.reopen()).namespace;
  assert.equal(again.get(inode.ino), undefined);
  assert.deepEqual(again.listXattrs(inode.ino), []);
  assert.deepEqual(again.listXattrs(kept.ino), ['user.x']);
  assert.deepEqual(again.unsettled(), []);
  assert.equal(again.counts.inodes, 2);
});

test('an inode that lived only within one group leaves nothing', async (t) => {
  const opened = await openScratch(t);
  const inode = make(opened.namespace, ROOT_INO, 'a');
  opened.namespace.remove(ROOT_INO, 'a');
  opened.namespace.destroy(inode);
  const { namespace } = await opened.reopen();
  assert.equal([...namespace.inodes(0)].length, 1);
});

test('inode numbers are never given out twice, not even after a crash', async (t) => {
  const opened = await openScratch(t);
  const given = new Set<number>();
  const giveOut = (ino: number): void => {
    assert.ok(!given.has(ino), `${ino} was given out before`);
    given.add(ino);
  };
  for (let i = 0; i < 50; i++) giveOut(make(opened.namespace, ROOT_INO, `a${i}`).ino);
  await opened.namespace.commit();
  for (let i = 0; i < 50; i++) giveOut(opened.namespace.create({ mode: FILE, uid: 0, gid: 0 }).ino);
  let { namespace, reopen } = await opened.reopen();
  for (let round = 0; round < 3; round++) {
    giveOut(namespace.create({ mode: FILE, uid: 0, gid: 0 }).ino);
    ({ namespace, reopen } = await reopen());
  }
});

test('numbers run out for a while rather than beyond what a crash would skip', async (t) => {
  const { namespace } = await openScratch(t, {}, { groupWrites: 1e9, idleMs: 3_600_000 });
  const create = (): number => namespace.create({ mode: FILE, uid: 0, gid: 0 }).ino;
  for (let i = 0; i < RESERVE; i++) create();
  assert.throws(create, { code: 'EIO' });
  await namespace.commit();
  namespace.update(namespace.get(ROOT_INO)!);
  await namespace.commit();
  create();
});

test('attributes of any name and size within the limits survive', async (t) => {
  const opened = await openScratch(t);
  const { namespace } = opened;
  const long = 'user.' + '\u00ff'.repeat(250);
  namespace.setXattr(5, 'user.empty', Buffer.alloc(0));
  namespace.setXattr(5, long, Buffer.alloc(65536, 7));
  namespace.setXattr(5, 'user.a', Buffer.from('1'));
  namespace.setXattr(5, 'user.a', Buffer.from('2'));
  const again = (await opened.reopen()).namespace;
  assert.deepEqual(again.getXattr(5, 'user.empty'), Buffer.alloc(0));
  assert.deepEqual(again.getXattr(5, long), Buffer.alloc(65536, 7));
  assert.deepEqual(again.listXattrs(5), ['user.a', 'user.empty', long]);
  assert.equal(again.removeXattr(5, 'user.a'), true);
  assert.equal(again.removeXattr(5, 'user.a'), false);
  assert.equal(again.getXattr(5, 'user.a'), undefined);
});

test('attributes beyond the limits of the kernel are refused', async (t) => {
  const { namespace } = await openScratch(t);
  const long = 'x'.repeat(256);
  assert.throws(() => namespace.setXattr(5, long, Buffer.alloc(1)), { code: 'ERANGE' });
  assert.throws(() => namespace.setXattr(5, '', Buffer.alloc(1)), { code: 'ERANGE' });
  assert.throws(() => namespace.setXattr(5, 'a', Buffer.alloc(65537)), { code: 'E2BIG' });
  assert.equal(namespace.getXattr(5, long), undefined);
  assert.equal(namespace.removeXattr(5, long), false);
});

test('the caller may reuse the buffer of an attribute', async (t) => {
  const { namespace } = await openScratch(t);
  const value = Buffer.from('1');
  namespace.setXattr(5, 'user.a', value);
  value[0] = 0;
  assert.equal(String(namespace.getXattr(5, 'user.a')), '1');
});

test('orphans and unsettled inodes are known after a crash', async (t) => {
  const opened = await openScratch(t);
  const { namespace } = opened;
  const first = make(namespace, ROOT_INO, 'a');
  const second = make(namespace, ROOT_INO, 'b');
  for (const inode of [second, first]) {
    inode.unsettled = true;
    namespace.update(inode);
  }
  namespace.addOrphan(300);
  namespace.addOrphan(2);
  namespace.addOrphan(4);
  namespace.removeOrphan(4);
  await namespace.commit();
  second.unsettled = false;
  namespace.update(second);
  const again = (await opened.reopen()).namespace;
  assert.deepEqual(again.orphans(), [2, 300]);
  assert.deepEqual(again.unsettled(), [first.ino]);
  const settled = again.get(first.ino)!;
  settled.unsettled = false;
  again.update(settled);
  assert.deepEqual(again.unsettled(), []);
});

test('a path is found from an inode, and a broken chain is no path', async (t) => {
  const { namespace } = await openScratch(t);
  const dir = make(namespace, ROOT_INO, 'models', DIRECTORY);
  const inner = make(namespace, dir.ino, 'caf\u00c3\u00a9', DIRECTORY);
  const file = make(namespace, inner.ino, 'a.gguf');
  assert.equal(namespace.pathOf(file.ino), '/models/caf\u00c3\u00a9/a.gguf');
  dir.parent = inner.ino;
  namespace.update(dir);
  assert.equal(namespace.pathOf(file.ino), undefined);
  dir.parent = 0;
  namespace.update(dir);
  assert.equal(namespace.pathOf(file.ino), undefined);
  dir.parent = 999_999;
  namespace.update(dir);
  assert.equal(namespace.pathOf(file.ino), undefined);
  assert.equal(namespace.pathOf(999_999), undefined);
});

test('a sweep in slices sees every inode that stays, with its newest state', async (t) => {
  const { namespace } = await openScratch(t, { cachedInodes: 10 });
  const staying = Array.from({ length: 200 }, (_, i) => make(namespace, ROOT_INO, `f${i}`));
  await namespace.commit();
  staying[150]!.size = 5;
  namespace.update(staying[150]!);
  const sizes = new Map<number, number>();
  for (let after = 0, slice = 1; slice > 0;) {
    slice = 0;
    for (const inode of namespace.inodes(after)) {
      sizes.set(inode.ino, inode.size);
      after = inode.ino;
      if (++slice === 7) break;
    }
    make(namespace, ROOT_INO, `new ${after}`);
    if (after % 3 === 0) await namespace.commit();
    if (sizes.size > 220) break;
  }
  for (const inode of staying) assert.ok(sizes.has(inode.ino));
  assert.equal(sizes.get(staying[150]!.ino), 5);
});

test('a link keeps its target, of up to 4095 bytes', async (t) => {
  const opened = await openScratch(t);
  const target = '\u00fe/'.repeat(2047) + 'x';
  const link = opened.namespace.create({ mode: 0o120777, uid: 0, gid: 0, target });
  const long = { mode: 0o120777, uid: 0, gid: 0, target: target + 'x' };
  assert.throws(() => opened.namespace.create(long), { code: 'ENAMETOOLONG' });
  const again = (await opened.reopen()).namespace.get(link.ino);
  assert.deepEqual([again?.target, again?.size], [target, 4095]);
});
