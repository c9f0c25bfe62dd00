import assert from 'node:assert/strict';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { native } from '../../src/native.js';
import { BACKTRACE_XATTR, decodeBacktrace } from '../../src/tiers/backtrace.js';
import type { MigrationDeps } from '../../src/migration/migration.js';
import { atEnd, openWorld, randomBytesOf, temporaryRoot, world } from './world.js';

const MiB = 1024 * 1024;

test('progress counts the bytes of a file once, though they are read back', async (t) => {
  const w = await world(t);
  const inode = await w.add('model', randomBytesOf('a', 3 * MiB));
  for (const [kind, tier, pack] of [
    ['demote', 'hdd', true],
    ['promote', 'nvme', false],
    ['demote', 'ssd', false],
  ] as const) {
    const job = w.move(kind, inode, tier, pack);
    const seen = new Set<number>();
    for (let ended = false; !ended; await turn()) {
      seen.add(job.total);
      assert.ok(job.done <= job.total);
      ended = job.state === 'done';
      assert.notEqual(job.state, 'failed');
    }
    assert.deepEqual([...seen, job.done], [3 * MiB, 3 * MiB]);
  }
});

test('a file keeps its bytes through pack, hydrate and a second demotion', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', 3 * MiB + 17);
  const inode = await w.add('model', data);
  const plainBefore = w.tiers.usage(w.tiers.byName('nvme')!).plainBytes;
  assert.ok(plainBefore >= data.length);

  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'packed hdd');
  assert.ok((await w.read(inode)).equals(data));
  assert.deepEqual(await w.backing('nvme'), []);
  assert.equal(w.tiers.usage(w.tiers.byName('nvme')!).plainBytes, 0);
  assert.ok(inode.packedBytes > 0 && inode.packedBytes < data.length);
  assert.match(inode.digest, /^[0-9a-f]{32}$/);

  await w.done('promote', inode, 'nvme');
  assert.equal(w.formOf(inode), 'plain nvme + packed hdd');
  assert.ok((await w.read(inode)).equals(data));

  const stored = w.content.savings().storedBytes;
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'packed hdd');
  assert.ok((await w.read(inode)).equals(data));
  assert.equal(w.content.savings().storedBytes, stored);
  assert.deepEqual(w.activity.movedInos, [inode.ino, inode.ino, inode.ino]);
});

test('a slightly different copy costs only its difference', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', 4 * MiB);
  const other = Buffer.concat([data.subarray(0, MiB), Buffer.from('changed'), data.subarray(MiB)]);
  const [one, two] = [await w.add('one', data), await w.add('two', other)];
  await w.done('demote', one, 'hdd');
  const before = w.content.savings().storedBytes;
  await w.done('demote', two, 'hdd');
  assert.ok(w.content.savings().storedBytes - before < before / 4);
  assert.ok((await w.read(two)).equals(other));
  await w.remove(one);
  await w.content.reclaim();
  assert.ok((await w.read(two)).equals(other));
});

test('a plain move keeps bytes, holes and the backtrace, and leaves no second copy', async (t) => {
  const w = await world(t);
  const data = Buffer.alloc(8 * MiB);
  randomBytesOf('a', 5000).copy(data, 6 * MiB);
  const inode = await w.add('db', data);
  await w.done('demote', inode, 'ssd', false);
  await w.done('demote', inode, 'hdd', false);
  assert.equal(w.formOf(inode), 'plain hdd');
  assert.ok((await w.read(inode)).equals(data));
  assert.deepEqual([await w.backing('nvme'), await w.backing('ssd')], [[], []]);
  const path = w.tiers.backingPath(w.tiers.byName('hdd')!, inode.ino);
  const trace = decodeBacktrace(native.getXattr(path, BACKTRACE_XATTR)!);
  assert.deepEqual([trace?.ino, trace?.ancestors[0].name], [inode.ino, 'db']);
  assert.equal(w.tiers.usage(w.tiers.byName('hdd')!).plainBytes, (await stat(path)).blocks * 512);
});

test('a sparse file longer than any tier has room moves, and can be written again once packed', async (t) => {
  const w = await world(t);
  await w.limit(16 * MiB);
  const data = randomBytesOf('a', MiB);
  const inode = await w.addSparse('image', data, 64 * MiB);
  await w.done('demote', inode, 'ssd', false);
  assert.equal(w.formOf(inode), 'plain ssd');
  await w.done('demote', inode, 'hdd');
  await w.migration.hydrateNow(inode.ino);
  assert.equal(w.formOf(inode), 'plain nvme + packed hdd');
  assert.ok((await w.read(inode)).equals(Buffer.concat([data, Buffer.alloc(63 * MiB)])));
});

test('every form can become every other, with the same bytes', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  const steps: ['promote' | 'demote', string, boolean, string][] = [
    ['demote', 'nvme', true, 'packed nvme'],
    ['demote', 'ssd', true, 'packed ssd'],
    ['demote', 'hdd', true, 'packed hdd'],
    ['demote', 'ssd', true, 'packed hdd'],
    ['promote', 'ssd', false, 'plain ssd + packed hdd'],
    ['promote', 'nvme', false, 'plain nvme + packed hdd'],
    ['promote', 'nvme', false, 'plain nvme + packed hdd'],
    ['demote', 'hdd', false, 'plain hdd + packed hdd'],
    ['demote', 'hdd', true, 'packed hdd'],
    ['demote', 'hdd', false, 'plain hdd + packed hdd'],
  ];
  for (const [kind, tier, pack, expected] of steps) {
    await w.done(kind, inode, tier, pack);
    assert.equal(w.formOf(inode), expected, `${kind} to ${tier}`);
    assert.ok((await w.read(inode)).equals(data), `${kind} to ${tier}`);
  }
  for (const pack of w.content.packs()) if (pack.live > 0) assert.equal(pack.tier, 3);
});

test('an empty file moves, and one without any data is left alone', async (t) => {
  const w = await world(t);
  const inode = await w.add('empty', Buffer.alloc(0));
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'plain hdd');
  inode.plainTier = 0;
  w.namespace.update(inode);
  await w.done('promote', inode, 'nvme');
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), '');
});

test('a file with too many chunks is moved plain, though it was to be packed', async (t) => {
  const fewer = (deps: MigrationDeps) => ({ ...deps, chunking: { ...deps.chunking, average: 1 } });
  const w = await world(t, { wrap: fewer });
  const data = randomBytesOf('a', 2 ** 24 + 1);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'plain hdd');
  assert.ok((await w.read(inode)).equals(data));
});

test('what moved is still there after a restart', async (t) => {
  const root = await temporaryRoot(t);
  const data = randomBytesOf('a', 2 * MiB);
  const first = await openWorld(root);
  const names = ['a', 'b', 'c'];
  const inos: number[] = [];
  for (const name of names) inos.push((await first.add(name, data)).ino);
  await first.done('demote', first.namespace.get(inos[0])!, 'hdd');
  await first.done('demote', first.namespace.get(inos[1])!, 'ssd', false);
  await first.close();
  const second = await openWorld(root);
  atEnd(t, () => second.close());
  for (const ino of inos) assert.ok((await second.read(second.namespace.get(ino)!)).equals(data));
});

test('a tier that lost its marker is not written to, and the file stays whole', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await rm(join(w.root, 'hdd/.coral-reef/tier.json'));
  for (const pack of [true, false]) {
    await assert.rejects(
      w.done('demote', inode, 'hdd', pack),
      /could not demote \/f to hdd: .*marker/,
    );
  }
  assert.equal(w.formOf(inode), 'plain nvme');
  assert.ok((await w.read(inode)).equals(data));
  assert.deepEqual(await w.backing('hdd'), []);
});

test('a recipe that no longer fits its hot copy is never all that is left', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('old', MiB));
  await w.done('demote', inode, 'hdd');
  await w.done('promote', inode, 'nvme');
  // A write that nobody reported: the check before the drop is what finds it.
  const changed = randomBytesOf('new', MiB);
  await writeFile(w.tiers.backingPath(w.tiers.byName('nvme')!, inode.ino), changed);
  await assert.rejects(w.done('demote', inode, 'hdd'), /it was written past Coral Reef/);
  assert.equal(w.formOf(inode), 'plain nvme + packed hdd');
  assert.ok((await w.read(inode)).equals(changed));
  await w.overwrite(inode, changed);
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'packed hdd');
  assert.ok((await w.read(inode)).equals(changed));
});

test('times that are set while a file is hydrated are those of its backing file', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  await w.done('demote', inode, 'hdd');
  const reader = w.activity.open(inode.ino, 'read');
  const job = w.move('promote', inode, 'nvme');
  while (job.state !== 'waiting-for-close') await new Promise((next) => setTimeout(next, 5));
  Object.assign(inode, { mtimeSec: 1_000_000_000, mtimeNsec: 7 });
  w.namespace.update(inode);
  reader.close();
  await w.migration.finished(job);
  const path = w.tiers.backingPath(w.tiers.byName('nvme')!, inode.ino);
  assert.equal((await stat(path, { bigint: true })).mtimeNs, 1_000_000_000_000_000_007n);
});

test('a request for a move does not end what a program waits for', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', 8 * MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  const hydrated = w.migration.hydrateNow(inode.ino);
  const moved = w.done('demote', inode, 'ssd', false);
  await hydrated;
  await moved;
  assert.equal(w.formOf(inode), 'plain ssd + packed hdd');
  assert.ok((await w.read(inode)).equals(data));
});
