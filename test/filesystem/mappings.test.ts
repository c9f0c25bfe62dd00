/**
 * Mappings outlive the descriptor they were made with. With passthrough they hold the backing file open, and
 * that is what these tests do in the kernel's place.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { eventually, O_RDONLY, O_RDWR, O_WRONLY, world, type World } from './world.js';

/** A written and closed file that is still mapped. */
async function mappedFile(t: TestContext): Promise<{ w: World; ino: number; mapping: number }> {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await w.add('model', 'data');
  await w.open(ino, O_RDWR);
  const mapping = openSync(w.backingPath(ino), 'r+');
  await w.close(ino, O_RDWR);
  return { w, ino, mapping };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('what is written through a mapping after the close shows in stat, during and after', async (t) => {
  const { w, ino, mapping } = await mappedFile(t);
  const before = await w.getattr(ino);
  assert.equal(before.attributesValid, 0);
  await wait(20);
  writeSync(mapping, 'DATA', 0);
  const during = await w.getattr(ino);
  assert(during.mtimeSec + during.mtimeNsec / 1e9 > before.mtimeSec + before.mtimeNsec / 1e9);
  await wait(20);
  writeSync(mapping, 'last', 0);
  closeSync(mapping);
  const after = await w.getattr(ino);
  assert(after.mtimeSec + after.mtimeNsec / 1e9 > during.mtimeSec + during.mtimeNsec / 1e9);
  assert(after.attributesValid > 0);
});

test('a file that is mapped after its close is not moved, so that no write to it is lost', async (t) => {
  const { w, ino, mapping } = await mappedFile(t);
  const moved = w.demote(ino, true);
  await eventually('the move waits', () => w.migration.status().running.length > 0);
  writeSync(mapping, 'late', 0);
  closeSync(mapping);
  await moved;
  assert.notEqual(w.inode(ino).packedTier, 0);
  assert.equal(String(await w.read(ino)), 'late');
});

test('a file does not settle while a mapping may write to it', async (t) => {
  const { w, ino, mapping } = await mappedFile(t);
  await w.settle(ino);
  assert.equal(w.inode(ino).unsettled, true);
  closeSync(mapping);
  await w.settle(ino);
  assert.equal(w.inode(ino).unsettled, false);
});

test('a program that outlived the daemon and still has a file mapped keeps it from settling', async (t) => {
  const { w, ino, mapping } = await mappedFile(t);
  w.filesystem.activity.moved(ino, 'data'); // as after a crash: nothing is known of it
  await w.settle(ino);
  assert.equal(w.inode(ino).unsettled, true);
  closeSync(mapping);
  await w.settle(ino);
  assert.equal(w.inode(ino).unsettled, false);
});

test('a reader that has a file mapped keeps it where later writers will change it', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await w.add('model', 'data');
  await w.settle(ino);
  await w.open(ino, O_RDONLY);
  const mapping = openSync(w.backingPath(ino), 'r');
  await w.close(ino, O_RDONLY);
  assert.equal(w.filesystem.activity.handles(ino).total, 1);
  closeSync(mapping);
  assert.equal(w.filesystem.activity.handles(ino).total, 0);
});

test('nothing can have mapped a file that was open for writing only: its attributes are remembered', async (t) => {
  const w = await world(t);
  w.filesystem.setPassthrough(true);
  const ino = await w.add('model', 'data');
  await w.settle(ino);
  await w.open(ino, O_WRONLY);
  const backup = openSync(w.backingPath(ino), 'r+');
  await w.close(ino, O_WRONLY);
  assert((await w.getattr(ino)).attributesValid > 0);
  await w.settle(ino);
  assert.equal(w.inode(ino).unsettled, false);
  closeSync(backup);
});
