/** Plain files that share blocks: the tiers lie on XFS or btrfs, or on ext4 where nothing may happen. */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Inode } from '../../src/namespace/types.js';
import { native } from '../../src/native.js';
import { loopFilesystem, usedBytes } from '../loop-filesystem.js';
import { mapAndRead } from '../mapped-reader.js';
import { atEnd, openWorld, randomBytesOf, type World, type WorldOptions } from './world.js';

const MiB = 1024 * 1024;

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(5);
}

async function worldOn(t: TestContext, kind: 'xfs' | 'btrfs' | 'ext4', options?: WorldOptions) {
  const root = loopFilesystem(kind, (clean) => atEnd(t, clean));
  const w = await openWorld(root, options);
  atEnd(t, () => w.close());
  return w;
}

function onEach(name: string, body: (w: World, t: TestContext) => Promise<void>): void {
  for (const kind of ['xfs', 'btrfs'] as const) {
    test(`${name}, on ${kind}`, async (t) => body(await worldOn(t, kind), t));
  }
}

const pathOf = (w: World, { ino, plainTier }: Inode): string =>
  w.tiers.backingPath(w.tiers.byId(plainTier)!, ino);

async function sharedBytes(w: World, inode: Inode): Promise<number> {
  const fd = openSync(pathOf(w, inode), 'r');
  try {
    return await native.sharedBytes(fd);
  } finally {
    closeSync(fd);
  }
}

const isIdle = (w: World): boolean => {
  const { queued, running } = w.migration.status();
  return queued === 0 && running.length === 0;
};

/** Sweeps until the two have so many bytes in common. */
async function untilShared(w: World, inode: Inode, bytes: number): Promise<void> {
  await until(async () => {
    await w.migration.sweep();
    return isIdle(w) && (await sharedBytes(w, inode)) >= bytes;
  });
}

/** Sharing goes on beside the sweeps: a pair that comes last is shared when all others were looked at. */
async function untilAllLookedAt(w: World): Promise<void> {
  const { inodes } = w.namespace.counts;
  const small = randomBytesOf(`${inodes}`, MiB + 4096 * inodes);
  const first = await w.add(`x${inodes}`, small);
  await w.add(`y${inodes}`, small);
  await untilShared(w, first, MiB);
  await w.migration.sweep();
}

onEach('two copies of a model take space once, and nothing else about them changes', async (w) => {
  const data = randomBytesOf('model', 40 * MiB + 321);
  const [a, b] = [await w.add('a', data), await w.add('b', data)];
  const before = [{ ...a }, { ...b }];
  const used = usedBytes(w.root);
  await untilShared(w, b, data.length);
  assert.ok(usedBytes(w.root) < used - data.length + MiB);
  assert.equal(w.migration.status().bytesShared, data.length);
  assert.deepEqual([w.namespace.get(a.ino), w.namespace.get(b.ino)], before);
  assert.ok((await w.read(a)).equals(data) && (await w.read(b)).equals(data));
  await w.tiers.refresh();
  const { used: counted, plainBytes } = w.tiers.usage(w.tiers.byName('nvme')!);
  assert.ok(counted < plainBytes && counted >= data.length, 'what is shared counts twice');
});

onEach(
  'a fine-tune shares what is equal, is compared once, and by a new daemon not again',
  async (w, t) => {
    const data = randomBytesOf('base', 24 * MiB);
    const tuned = Buffer.from(data);
    randomBytesOf('tuned', 8 * MiB).copy(tuned, 6 * MiB);
    const [base, fine] = [await w.add('base', data), await w.add('fine', tuned)];
    await untilShared(w, fine, 16 * MiB);
    await untilAllLookedAt(w);
    const { completed } = w.migration.status();
    await untilAllLookedAt(w);
    assert.equal(w.migration.status().completed, completed + 1, 'it was compared again');
    assert.ok((await w.read(base)).equals(data) && (await w.read(fine)).equals(tuned));
    await w.close();
    const again = await openWorld(w.root);
    atEnd(t, () => again.close());
    await untilAllLookedAt(again);
    assert.equal(again.migration.status().completed, 1, 'the new daemon compared them again');
  },
);

test('files whose equal parts are too short to share on a hard disk are compared once', async (t) => {
  const w = await worldOn(t, 'xfs');
  const data = randomBytesOf('one', 16 * MiB);
  const other = randomBytesOf('other', 16 * MiB);
  for (let at = 0; at < other.length; at += 0.75 * MiB) data.copy(other, at, at, at + MiB / 4);
  const [a, b] = [await w.add('a', data, 'hdd'), await w.add('b', other, 'hdd')];
  await untilAllLookedAt(w);
  await untilAllLookedAt(w);
  await untilAllLookedAt(w);
  assert.equal(w.migration.status().completed, 3 + 1);
  // The runs at the two edges of the window may go on, so they count.
  assert.ok((await sharedBytes(w, b)) <= MiB / 2);
  assert.ok((await w.read(a)).equals(data) && (await w.read(b)).equals(other));
});

onEach(
  'files that programs read keep their blocks, and their pages, until they are closed',
  async (w) => {
    const data = randomBytesOf('model', 8 * MiB);
    const [a, b] = [await w.add('a', data), await w.add('b', data)];
    const readers = [w.activity.open(a.ino, 'read'), w.activity.open(b.ino, 'read')];
    await untilAllLookedAt(w);
    assert.equal(await sharedBytes(w, a), 0);
    readers[1].close();
    await untilShared(w, b, 8 * MiB);
    assert.ok((await w.read(b)).equals(data));
  },
);

onEach(
  'a file that is written to is left alone; once it settled it is looked at anew',
  async (w) => {
    const data = randomBytesOf('model', 8 * MiB);
    const [a, b] = [await w.add('a', data), await w.add('b', data)];
    await untilShared(w, b, 8 * MiB);
    const other = Buffer.from(data);
    other.write('a new version', 4 * MiB);
    await w.overwrite(b, other);
    assert.equal(await sharedBytes(w, b), 0);
    await untilShared(w, b, 7 * MiB);
    assert.ok((await w.read(a)).equals(data) && (await w.read(b)).equals(other));
  },
);

/** Slow enough that the job is still there when somebody looks. */
const SLOW = { settings: { migrateRate: 24 * MiB } };

async function untilSharing(w: World): Promise<void> {
  await w.migration.sweep();
  await until(() => w.migration.status().running.some((job) => job.kind === 'share'));
}

for (const mode of ['read', 'write'] as const) {
  test(`who opens a file to ${mode} while it is compared ends that, and nothing is lost`, (t) =>
    openMeanwhile(t, mode));
}

async function openMeanwhile(t: TestContext, mode: 'read' | 'write'): Promise<void> {
  const w = await worldOn(t, 'xfs', SLOW);
  const data = randomBytesOf('model', 48 * MiB);
  const [a, b] = [await w.add('a', data), await w.add('b', data)];
  await untilSharing(w);
  const target = w.namespace.get(w.migration.status().running[0].ino)!;
  const handle = w.activity.open(target.ino, mode);
  await until(() => isIdle(w));
  handle.close();
  assert.ok((await sharedBytes(w, target)) < data.length, 'it went on to the end');
  assert.equal(w.migration.status().failed, 0);
  assert.ok((await w.read(a)).equals(data) && (await w.read(b)).equals(data));
}

test('who opens the file that gets other blocks waits for the step under way, and for nothing else', async (t) => {
  const w = await worldOn(t, 'xfs', SLOW);
  const data = randomBytesOf('model', 48 * MiB);
  const [a, b] = [await w.add('a', data), await w.add('b', data)];
  await untilSharing(w);
  const [job] = w.migration.status().running;
  const source = job.ino === a.ino ? b : a;
  assert.equal(w.migration.untilUnshared(source.ino), undefined);
  const wait = w.migration.untilUnshared(job.ino);
  assert.ok(wait);
  await wait;
  assert.equal(job.state, 'cancelled');
  assert.equal(w.migration.untilUnshared(job.ino), undefined);
});

test('a file that a program of an earlier daemon still has mapped keeps its blocks', async (t) => {
  const w = await worldOn(t, 'xfs');
  const data = randomBytesOf('model', 8 * MiB);
  const [a, b] = [await w.add('a', data), await w.add('b', data)];
  const end = await mapAndRead(pathOf(w, a), pathOf(w, b));
  await untilAllLookedAt(w);
  assert.equal(await sharedBytes(w, a), 0);
  await end();
  await untilShared(w, b, data.length);
});

for (const which of ['target', 'source'] as const) {
  test(`who asks for a move of the ${which} does not wait for a comparison`, (t) =>
    moveOf(t, which));
}

async function moveOf(t: TestContext, which: 'target' | 'source'): Promise<void> {
  const w = await worldOn(t, 'xfs', SLOW);
  const data = randomBytesOf('model', 40 * MiB);
  const [a, b] = [await w.add('a', data), await w.add('b', data)];
  await untilSharing(w);
  const [job] = w.migration.status().running;
  assert.deepEqual([job.tier, job.total], ['nvme', data.length]);
  const file = (job.ino === a.ino) === (which === 'target') ? a : b;
  const same = w.move('promote', file, 'nvme');
  assert.equal(same.kind, 'promote', 'a comparison was taken for a move');
  const moved = w.move('demote', file, 'hdd');
  await until(() => job.state === 'cancelled');
  await w.migration.finished(moved);
  assert.equal(w.formOf(file), 'packed hdd');
  assert.ok((await w.read(a)).equals(data) && (await w.read(b)).equals(data));
}

onEach('a file that shares its blocks is packed and deleted like any other', async (w) => {
  const data = randomBytesOf('model', 12 * MiB);
  const [a, b, c] = [await w.add('a', data), await w.add('b', data), await w.add('c', data)];
  await untilShared(w, c, data.length);
  await untilShared(w, b, data.length);
  await w.done('demote', a, 'hdd');
  await w.remove(b);
  assert.equal(w.formOf(a), 'packed hdd');
  assert.ok((await w.read(a)).equals(data) && (await w.read(c)).equals(data));
  assert.equal(await sharedBytes(w, c), 0);
});

test('a tier that is too full of shared blocks is emptied, and then there is quiet', async (t) => {
  const settings = { tierWatermarks: { nvme: { high: 2, low: 1 } } };
  const w = await worldOn(t, 'xfs');
  const data = randomBytesOf('model', 20 * MiB);
  const files = [await w.add('a', data), await w.add('b', data)];
  await untilShared(w, files[1], data.length);
  await w.close();
  const full = await openWorld(w.root, { settings });
  atEnd(t, () => full.close());
  const forms = () => files.map(({ ino }) => full.formOf(full.namespace.get(ino)!));
  await until(async () => {
    await full.migration.sweep();
    return isIdle(full) && forms().every((form) => form.startsWith('p') && !/nvme/.test(form));
  });
  const { completed } = full.migration.status();
  for (let i = 0; i < 5; i++) await full.migration.sweep();
  assert.ok(isIdle(full));
  assert.equal(full.migration.status().completed, completed);
});

onEach('a move between tiers of one filesystem writes nothing', async (w) => {
  const data = randomBytesOf('db', 30 * MiB);
  const inode = await w.add('a', data);
  const copy = w.activity.open(inode.ino, 'read');
  const job = w.move('demote', inode, 'ssd', false);
  await until(() => job.state === 'waiting-for-close');
  assert.equal(await sharedBytes(w, inode), data.length, 'the copy has blocks of its own');
  copy.close();
  await w.migration.finished(job);
  assert.equal(w.formOf(inode), 'plain ssd');
  assert.ok((await w.read(inode)).equals(data));
});

test('with share=off and while paused nothing is shared', async (t) => {
  const w = await worldOn(t, 'xfs', { settings: { share: 'off' } });
  const data = randomBytesOf('model', 4 * MiB);
  const [, b] = [await w.add('a', data), await w.add('b', data)];
  for (let i = 0; i < 3; i++) await w.migration.sweep();
  await w.close();
  assert.equal(await sharedBytes(w, b), 0);
  const on = await openWorld(w.root);
  atEnd(t, () => on.close());
  on.migration.pause();
  for (let i = 0; i < 3; i++) await on.migration.sweep();
  assert.ok(isIdle(on));
  assert.equal(await sharedBytes(on, b), 0);
  on.migration.resume();
  await untilShared(on, b, 4 * MiB);
});

test('on ext4 nothing happens to equal files, and nothing fails', async (t) => {
  const problems: unknown[] = [];
  const log = { info() {}, debug() {}, warn: note, error: note };
  function note(...words: unknown[]): void {
    problems.push(words);
  }
  const w = await worldOn(t, 'ext4', { wrap: (deps) => ({ ...deps, log }) });
  const data = randomBytesOf('model', 4 * MiB);
  const [a, b] = [await w.add('a', data), await w.add('b', data)];
  for (let i = 0; i < 3; i++) await w.migration.sweep();
  assert.ok(isIdle(w));
  assert.deepEqual([w.migration.status().completed, problems], [0, []]);
  await w.done('demote', a, 'hdd', false);
  assert.ok((await w.read(a)).equals(data) && (await w.read(b)).equals(data));
});
