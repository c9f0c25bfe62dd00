/** Access times: mail readers and cleaners of temporary files go by them. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readSync, utimesSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { MS } from '../../src/config/mount-options.js';
import type { EntrySink } from '../../src/fuse/operations.js';
import { SetattrValid } from '../../src/fuse/protocol.js';
import { ME, O_RDONLY, world, type World } from './world.js';

/** Takes no entry of a listing. */
const NOWHERE: EntrySink = { room: 0, add: () => false };

/** Reads as the kernel does with passthrough: from the backing file, at that time. */
function readAt(w: World, ino: number, seconds: number): void {
  const fd = openSync(w.backingPath(ino), 'r');
  readSync(fd, Buffer.alloc(1));
  closeSync(fd);
  utimesSync(w.backingPath(ino), seconds, w.inode(ino).mtimeSec + w.inode(ino).mtimeNsec / 1e9);
}

test('what is read past the daemon shows in the access time, once until it changes', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await w.add('a', 'data');
  const soon = Math.ceil(Date.now() / 1000) + 60;
  await w.open(ino, O_RDONLY);
  readAt(w, ino, soon);
  assert.equal((await w.getattr(ino)).atimeSec, soon);
  readAt(w, ino, soon + 60);
  assert.equal((await w.getattr(ino)).atimeSec, soon);
  readAt(w, ino, soon + 90_000);
  assert.equal((await w.getattr(ino)).atimeSec, soon + 90_000);
  await w.close(ino, O_RDONLY);
});

test('an access time that a program sets stays, whatever was read before', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await w.add('a', 'data');
  await w.open(ino, O_RDONLY);
  readAt(w, ino, Math.ceil(Date.now() / 1000) + 60);
  await w.setattr(ino, { valid: SetattrValid.ATIME, atimeSec: 1000, atimeNsec: 5 });
  await w.close(ino, O_RDONLY);
  const { atimeSec, atimeNsec } = await w.getattr(ino);
  assert.deepEqual([atimeSec, atimeNsec], [1000, 5]);
});

test('a packed file that is opened counts as read', async (t) => {
  const w = await world(t);
  const ino = await w.add('a', 'data');
  await w.setattr(ino, { valid: SetattrValid.ATIME, atimeSec: 1000 });
  await w.demote(ino, true);
  await w.open(ino, O_RDONLY);
  assert((await w.getattr(ino)).atimeSec > 1000);
  await w.close(ino, O_RDONLY);
});

/** Access times after two readings, a moment apart, of something that was changed before. */
async function readTwice(w: World, ino: number, read: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 2; i++) {
    await setTimeout(5);
    await read();
    const { atimeSec, atimeNsec } = await w.getattr(ino);
    times.push(atimeSec * 1000 + atimeNsec / 1e6);
  }
  return times;
}

test('under strictatime each opening of a packed file counts as read, else the first', async (t) => {
  for (const mountFlags of [0, MS.STRICTATIME]) {
    const w = await world(t, { mountFlags });
    const ino = await w.add('a', 'data');
    await w.demote(ino, true);
    const [first, second] = await readTwice(w, ino, async () => {
      await w.open(ino, O_RDONLY);
      await w.close(ino, O_RDONLY);
    });
    assert.equal(second > first, mountFlags === MS.STRICTATIME);
  }
});

test('under nodiratime a directory that is listed keeps its access time', async (t) => {
  for (const mountFlags of [0, MS.NODIRATIME]) {
    const w = await world(t, { mountFlags });
    const directory = await w.mkdir('d');
    const { atimeSec, atimeNsec } = await w.getattr(directory);
    const [first] = await readTwice(w, directory, async () =>
      w.operations.readdir(ME, { ino: directory, cookie: Buffer.alloc(8), plus: false }, NOWHERE),
    );
    assert.equal(first > atimeSec * 1000 + atimeNsec / 1e6, mountFlags === 0);
  }
});
