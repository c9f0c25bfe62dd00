/** Needs root: a disk that falls out while a move reads packed data back has damaged nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { native } from '../../src/native.js';
import { mountImage, shutDown } from '../loop-filesystem.js';
import { atEnd, openWorld, randomBytesOf, temporaryRoot, type World } from './world.js';

const MiB = 1024 * 1024;

/** A world with a disk of its own under `hdd`. */
async function worldWithDisk(t: TestContext): Promise<World> {
  const root = await temporaryRoot(t);
  const hdd = join(root, 'hdd');
  mkdirSync(hdd);
  mountImage('ext4', join(root, 'image'), hdd, 128 * MiB);
  atEnd(t, () => execFileSync('umount', ['-l', hdd]));
  return openWorld(root);
}

/** The disk falls out at the end of the next check of packed data, so that none of it could be read. */
function loseDisk(t: TestContext, { root }: World): void {
  const border = native as { checkPlan: typeof native.checkPlan };
  const { checkPlan } = border;
  const restore = () => void (border.checkPlan = checkPlan);
  t.after(restore);
  border.checkPlan = async (...args) => {
    restore();
    const check = await checkPlan(...args);
    shutDown(join(root, 'hdd'));
    return { ...check, bad: Uint32Array.of(0, 1, 2) };
  };
}

async function bringBack(t: TestContext, { close, root }: World): Promise<World> {
  await close();
  const hdd = join(root, 'hdd');
  execFileSync('umount', [hdd]);
  execFileSync('mount', ['-o', 'loop', join(root, 'image'), hdd]);
  const w = await openWorld(root);
  atEnd(t, () => w.close());
  return w;
}

test('a hot copy stays, and its packed form is not damaged, where its disk falls out', async (t) => {
  const w = await worldWithDisk(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  await w.done('promote', inode, 'nvme');
  const stored = w.content.savings().storedBytes;
  loseDisk(t, w);
  await assert.rejects(w.done('demote', inode, 'hdd'));
  assert.equal(w.formOf(inode), 'plain nvme + packed hdd');
  const later = await bringBack(t, w);
  assert.equal(later.content.damage().badChunks, 0);
  await later.done('demote', inode, 'hdd');
  assert.equal(later.content.savings().storedBytes, stored);
  assert.ok((await later.read(later.namespace.get(inode.ino)!)).equals(data));
});

test('a file that is packed while the disk falls out damages no chunk of others', async (t) => {
  const w = await worldWithDisk(t);
  const data = randomBytesOf('a', MiB);
  const [first, second] = [await w.add('first', data), await w.add('second', data)];
  await w.done('demote', first, 'hdd');
  loseDisk(t, w);
  await assert.rejects(w.done('demote', second, 'hdd'));
  assert.equal(w.formOf(second), 'plain nvme');
  const later = await bringBack(t, w);
  assert.equal(later.content.damage().badChunks, 0);
  await later.done('demote', second, 'hdd');
  for (const { ino } of [first, second]) {
    assert.ok((await later.read(later.namespace.get(ino)!)).equals(data));
  }
});
