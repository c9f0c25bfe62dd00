/** File data in both forms: what programs read and write while files are opened, cut and moved. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { FOPEN_PASSTHROUGH, SetattrValid } from '../../src/fuse/protocol.js';
import {
  afterCrash,
  eventually,
  fails,
  isThere,
  ME,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  randomBytesOf,
  ROOT_INO,
  world,
  type World,
} from './world.js';

const DATA = randomBytesOf('data', 100_000);

async function resize(w: World, ino: number, size: number): Promise<void> {
  const { size: reported } = await w.setattr(ino, { valid: SetattrValid.SIZE, size });
  assert.equal(reported, size);
}

async function packed(w: World): Promise<number> {
  const ino = await w.add('a', DATA);
  await w.demote(ino, true);
  assert.equal(w.inode(ino).plainTier, 0);
  return ino;
}

for (const form of ['plain', 'packed']) {
  test(`truncate cuts and extends a ${form} file without touching what remains`, async (t) => {
    const w = await world(t);
    const ino = form === 'packed' ? await packed(w) : await w.add('a', DATA);
    await resize(w, ino, 50_000);
    assert(DATA.subarray(0, 50_000).equals(await w.read(ino)));
    await resize(w, ino, 60_000);
    const grown = Buffer.concat([DATA.subarray(0, 50_000), Buffer.alloc(10_000)]);
    assert(grown.equals(await w.read(ino)));
    await resize(w, ino, 0);
    assert.equal((await w.read(ino)).length, 0);
    assert.equal(w.filesystem.openHandles(), 0);
  });

  test(`a ${form} file that is cut to nothing is empty also after a crash`, async (t) => {
    const w = await world(t);
    const ino = form === 'packed' ? await packed(w) : await w.add('a', DATA);
    await resize(w, ino, 0);
    await w.store.commit();
    const after = await afterCrash(t, w);
    await after.filesystem.recover(false);
    assert.equal((await after.getattr(ino)).size, 0);
    assert.equal((await after.read(ino)).length, 0);
  });
}

test('truncate of a directory or a symlink is refused', async (t) => {
  const w = await world(t);
  const { ino } = await w.operations.symlink(ME, ROOT_INO, 'l', 'x');
  await fails('EINVAL', () => resize(w, ino, 0));
  await fails('EISDIR', () => resize(w, ROOT_INO, 0));
});

test('a writer finds all data of a packed file, and readers see what it writes', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await packed(w);
  await w.open(ino, O_RDONLY);
  assert.equal(w.calls.at(-1), `servePacked ${ino}`);
  const opened = await w.operations.open(ME, ino, O_RDWR, 0);
  assert.equal(w.calls.filter((call) => call.startsWith('serve')).at(-1), `servePlain ${ino}`);
  assert.deepEqual([opened.flags & FOPEN_PASSTHROUGH, opened.backingId], [0, 0]);
  assert(DATA.equals(await w.read(ino)));
  assert.equal(w.inode(ino).packedTier, 0);
  await w.close(ino, O_RDWR);
  // While the reader stays, the kernel would refuse another way of serving.
  const again = await w.operations.open(ME, ino, O_RDONLY, 0);
  assert.equal(again.flags & FOPEN_PASSTHROUGH, 0);
  await w.close(ino, O_RDONLY);
  await w.close(ino, O_RDONLY);
  assert.equal(w.calls.at(-1), `unserve ${ino}`);
  const alone = await w.operations.open(ME, ino, O_RDONLY, 0);
  assert.equal(alone.flags & FOPEN_PASSTHROUGH, FOPEN_PASSTHROUGH);
  await w.close(ino, O_RDONLY);
});

test('readers that come while a writer waits for a packed file are all served the same', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await packed(w);
  const opens = [O_RDONLY, O_RDWR, O_RDONLY, O_WRONLY, O_RDONLY].map((flags) =>
    Promise.resolve(w.operations.open(ME, ino, flags, 0)),
  );
  const opened = await Promise.all(opens);
  assert.equal(new Set(opened.map(({ flags }) => flags & FOPEN_PASSTHROUGH)).size, 1);
  assert.equal(w.filesystem.openHandles(), 5);
  assert(DATA.equals(await w.read(ino)));
});

test('O_TRUNC of a packed file empties it, for a reader that has it open too', async (t) => {
  const w = await world(t);
  const ino = await packed(w);
  await w.open(ino, O_RDONLY);
  await w.open(ino, O_WRONLY | O_TRUNC);
  assert.equal(w.calls.filter((call) => call.startsWith('serve')).at(-1), `servePlain ${ino}`);
  assert.deepEqual([(await w.getattr(ino)).size, w.inode(ino).packedTier], [0, 0]);
  w.write(ino, 'new');
  await w.close(ino, O_WRONLY);
  await w.close(ino, O_RDONLY);
  assert.equal((await w.read(ino)).toString(), 'new');
});

test('a packed file that can not be cut durably stays as it is', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('kept', 100_000);
  const ino = await w.add('a', data);
  await w.demote(ino, true);
  const before = { ...w.inode(ino) };
  let full = true;
  w.store.beforeCommit(() => {
    if (full) throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });
  });
  const tries = [
    () => w.open(ino, O_WRONLY | O_TRUNC),
    // Now the store knows.
    () => w.open(ino, O_WRONLY | O_TRUNC),
    () => resize(w, ino, 0),
  ];
  try {
    for (const cut of tries) await assert.rejects(cut(), { code: 'ENOSPC' });
    const { heat, heatAt } = w.inode(ino);
    assert.deepEqual(w.inode(ino), { ...before, heat, heatAt });
    assert.ok((await w.read(ino)).equals(data));
  } finally {
    full = false;
  }
  await w.store.commit();
  await w.open(ino, O_WRONLY | O_TRUNC);
  await w.close(ino, O_WRONLY);
  assert.equal((await w.read(ino)).length, 0);
});

test('with a kernel that takes it, plain data is served by the kernel itself', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await w.add('a', 'data');
  const first = await w.operations.open(ME, ino, O_RDONLY, 0);
  const second = await w.operations.open(ME, ino, O_RDWR, 0);
  assert.equal(first.flags & second.flags & FOPEN_PASSTHROUGH, FOPEN_PASSTHROUGH);
  assert.equal(first.backingId, second.backingId);
  await w.close(ino, O_RDONLY);
  await w.close(ino, O_RDWR);
});

test('an open that fails leaves no handle behind that would keep the file from moving', async (t) => {
  const w = await world(t);
  await fails('EINVAL', () => w.open(ROOT_INO, O_RDONLY));
  await fails('ESTALE', () => w.open(4242, O_RDONLY));
  const { ino } = await w.operations.symlink(ME, ROOT_INO, 'l', 'x');
  await fails('EINVAL', () => w.open(ino, O_RDONLY));
  assert.equal(w.filesystem.openHandles(), 0);
});

test('closing a file that was cut but never written lets it settle', async (t) => {
  const w = await world(t);
  const ino = await packed(w);
  await w.open(ino, O_RDWR | O_TRUNC);
  await w.close(ino, O_RDWR);
  await w.settle(ino);
  assert.deepEqual([w.inode(ino).unsettled, w.inode(ino).size], [false, 0]);
  await w.demote(ino, true);
  await w.open(ino, O_RDONLY);
  assert.equal((await w.getattr(ino)).size, 0);
  await w.close(ino, O_RDONLY);
});

test('deleting a packed file gives its space back', async (t) => {
  const w = await world(t);
  const ino = await packed(w);
  assert.equal(w.content.savings().logicalBytes, DATA.length);
  await w.operations.unlink(ME, ROOT_INO, 'a');
  w.operations.forget(ino);
  await eventually('the inode is released', () => w.namespace.get(ino) === undefined);
  assert.equal(w.content.savings().logicalBytes, 0);
});

test('what only a reader cut or made settles as well', async (t) => {
  const w = await world(t, { settleMs: 20 });
  const cut = await w.add('a', 'data');
  await w.settle(cut);
  await w.open(cut, O_RDONLY | O_TRUNC);
  await w.close(cut, O_RDONLY);
  const { ino } = await w.operations.mknod(ME, ROOT_INO, 'b', 0o100644, 0);
  await w.open(ino, O_RDONLY);
  await w.close(ino, O_RDONLY);
  await eventually('both settled', () => w.namespace.unsettled().length === 0);
  assert.equal((await w.getattr(cut)).size, 0);
});

test('deleting a plain file after a clean end leaves no backing file', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', DATA);
  const path = w.backingPath(ino);
  await w.operations.unlink(ME, ROOT_INO, 'a');
  await w.end();
  assert.equal(await isThere(path), false);
});

test('a packed file is read while it is made plain for a writer', async (t) => {
  const w = await world(t);
  const ino = await packed(w);
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const { hydrate } = native;
  t.mock.method(native, 'hydrate', async (...args: Parameters<typeof hydrate>) => {
    await held;
    return hydrate(...args);
  });
  const writer = w.open(ino, O_RDWR);
  await eventually('it is made plain', () => w.migration.status().running.length > 0);
  for (let readers = 0; readers < 2; readers++) await w.open(ino, O_RDONLY);
  assert.ok(w.calls.includes(`servePacked ${ino}`));
  goOn();
  await writer;
  // Whoever reads sees what is written from now on, and nothing is pushed over it.
  assert.deepEqual(w.calls.slice(-2), [`endReadAhead ${ino}`, `servePlain ${ino}`]);
  for (const flags of [O_RDWR, O_RDONLY, O_RDONLY]) await w.close(ino, flags);
  assert.equal(w.filesystem.openHandles(), 0);
  assert(DATA.equals(await w.read(ino)));
});

test('a file of the largest size that a tier has can be looked at and deleted; none is made', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.open(ino, O_RDWR);
  execFileSync('truncate', ['--size', String(2n ** 63n - 1n), w.backingPath(ino)]);
  const { size } = await w.getattr(ino);
  assert.ok(size > 2 ** 62 && size < 2 ** 63);
  await w.close(ino, O_RDWR);
  await w.settle(ino);
  assert.equal((await w.operations.lookup(ME, ROOT_INO, 'a')).size, size);
  await fails('EFBIG', () => resize(w, ino, 2 ** 53));
  await fails('EFBIG', () => w.operations.fallocate(ME, ino, 0, 2 ** 53, 1));
  const other = await w.add('b');
  await fails('EFBIG', () => w.operations.copyFileRange(ME, ino, 0, other, 2 ** 53, 1));
  await w.operations.rename(ME, ROOT_INO, 'a', ROOT_INO, 'c', 0);
  await w.operations.unlink(ME, ROOT_INO, 'c');
});
