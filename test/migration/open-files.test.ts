import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import type { MigrationDeps } from '../../src/migration/deps.js';
import type { Job, JobState } from '../../src/migration/types.js';
import { native } from '../../src/native.js';
import { BACKTRACE_XATTR, decodeBacktrace } from '../../src/tiers/backtrace.js';
import { randomBytesOf, world } from './world.js';

const MiB = 1024 * 1024;

async function reaches(job: Job, state: JobState): Promise<void> {
  while (job.state !== state) {
    assert.ok(!['done', 'failed', 'cancelled'].includes(job.state), `${job.state}: ${job.error}`);
    await delay(2);
  }
}

for (const pack of [true, false]) {
  test(`a file that is being read is copied, and moves when it is closed (pack: ${pack})`, async (t) => {
    const w = await world(t);
    const data = randomBytesOf('a', 2 * MiB);
    const inode = await w.add('f', data);
    const reader = w.activity.open(inode.ino, 'read');
    const job = w.move('demote', inode, 'hdd', pack);
    await reaches(job, 'waiting-for-close');
    assert.equal(w.formOf(inode), 'plain nvme');
    assert.ok((await w.read(inode)).equals(data));
    reader.close();
    await w.migration.finished(job);
    assert.equal(w.formOf(inode), pack ? 'packed hdd' : 'plain hdd');
    assert.ok((await w.read(inode)).equals(data));
  });

  test(`what was written while it was copied is what arrives (pack: ${pack})`, async (t) => {
    const w = await world(t);
    const inode = await w.add('f', randomBytesOf('old', 2 * MiB));
    const reader = w.activity.open(inode.ino, 'read');
    const job = w.move('demote', inode, 'hdd', pack);
    await reaches(job, 'waiting-for-close');
    const data = randomBytesOf('new', 2 * MiB + 5);
    await w.overwrite(inode, data);
    reader.close();
    await w.migration.finished(job);
    assert.equal(w.formOf(inode), pack ? 'packed hdd' : 'plain hdd');
    assert.ok((await w.read(inode)).equals(data));
    assert.deepEqual(await w.backing('nvme'), []);
  });

  test(`a file deleted while it was copied leaves nothing behind (pack: ${pack})`, async (t) => {
    const w = await world(t);
    const inode = await w.add('f', randomBytesOf('a', 2 * MiB));
    const reader = w.activity.open(inode.ino, 'read');
    const job = w.move('demote', inode, 'hdd', pack);
    await reaches(job, 'waiting-for-close');
    await w.remove(inode);
    reader.close();
    await assert.rejects(w.migration.finished(job), /the file was deleted/);
    assert.equal(job.state, 'cancelled');
    assert.deepEqual([await w.backing('nvme'), await w.backing('hdd')], [[], []]);
    assert.equal(w.tiers.usage(w.tiers.byName('hdd')!).plainBytes, 0);
  });
}

test('a file that is being written is not read before it is closed', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  const writer = w.activity.open(inode.ino, 'write');
  const job = w.move('demote', inode, 'hdd');
  await reaches(job, 'waiting-for-close');
  assert.equal(job.done, 0);
  writer.close();
  await w.migration.finished(job);
  assert.equal(w.formOf(inode), 'packed hdd');
});

test('waiting for one file does not hold up the others', async (t) => {
  const w = await world(t);
  const held = [];
  for (let i = 0; i < 5; i++) {
    const inode = await w.add(`held${i}`, randomBytesOf(`${i}`, 1000));
    held.push({ reader: w.activity.open(inode.ino, 'read'), job: w.move('demote', inode, 'hdd') });
  }
  for (const { job } of held) await reaches(job, 'waiting-for-close');
  const free = await w.add('free', randomBytesOf('f', 1000));
  await w.done('demote', free, 'hdd');
  for (const { reader } of held) reader.close();
  await Promise.all(held.map(({ job }) => w.migration.finished(job)));
});

test('a file that is rewritten each time it is copied gives up, whole', async (t) => {
  let rewrite = async (): Promise<void> => {};
  const wrap = (deps: MigrationDeps): MigrationDeps => ({
    ...deps,
    content: {
      ...deps.content,
      planForRecipe: async (recipe) => {
        await rewrite();
        return deps.content.planForRecipe(recipe);
      },
    },
  });
  const w = await world(t, { wrap });
  const inode = await w.add('f', randomBytesOf('a', MiB));
  let version = 0;
  rewrite = () => w.overwrite(inode, randomBytesOf(`v${++version}`, MiB));
  await assert.rejects(w.done('demote', inode, 'hdd'), /it is written again and again/);
  assert.equal(version, 3);
  assert.ok((await w.read(inode)).equals(randomBytesOf('v3', MiB)));
});

test('a writer gets its packed file back at once, also while others read it or moves are paused', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', 2 * MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  w.migration.pause();
  const reader = w.activity.open(inode.ino, 'read');
  const writer = w.activity.open(inode.ino, 'write');
  await Promise.all([w.migration.hydrateNow(inode.ino), w.migration.hydrateNow(inode.ino)]);
  assert.equal(w.formOf(inode), 'plain nvme + packed hdd');
  assert.ok((await w.read(inode)).equals(data));
  writer.close();
  reader.close();
  await w.migration.hydrateNow(inode.ino);
});

test('a writer takes over a promotion that waits for readers', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', 2 * MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  const reader = w.activity.open(inode.ino, 'read');
  const job = w.move('promote', inode, 'ssd');
  await reaches(job, 'waiting-for-close');
  await w.migration.hydrateNow(inode.ino);
  assert.equal(job.state, 'done');
  assert.equal(w.formOf(inode), 'plain ssd + packed hdd');
  reader.close();
});

test('a writer that comes in the middle of a pack keeps the plain file', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', 4 * MiB));
  const job = w.move('demote', inode, 'hdd');
  while (job.state === 'queued') await turn();
  const data = randomBytesOf('b', MiB);
  await w.overwrite(inode, data);
  await w.migration.finished(job);
  assert.ok((await w.read(inode)).equals(data));
});

test('a writer does not wait for a packed file to be on another tier', async (t) => {
  let relocating: () => void = () => {};
  const wrap = (deps: MigrationDeps): MigrationDeps => ({
    ...deps,
    content: {
      ...deps.content,
      relocate(...args) {
        relocating();
        return deps.content.relocate(...args);
      },
    },
  });
  const w = await world(t, { wrap });
  const data = randomBytesOf('a', 8 * MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'ssd');
  const begun = new Promise<void>((resolve) => (relocating = resolve));
  const job = w.move('demote', inode, 'hdd');
  await begun;
  // It stands still until the writer comes.
  w.migration.pause();
  await w.migration.hydrateNow(inode.ino);
  assert.equal(job.state, 'cancelled');
  assert.equal(w.migration.status().running.length, 0);
  assert.equal(w.formOf(inode), 'plain nvme + packed ssd');
  for (const pack of w.content.packs()) if (pack.live > 0) assert.equal(pack.tier, 2);
  w.migration.resume();
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'packed hdd');
  for (const pack of w.content.packs()) if (pack.live > 0) assert.equal(pack.tier, 3);
  assert.ok((await w.read(inode)).equals(data));
});

test('a writer finds room on another tier where its own is full', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  w.tiers.noteFull(w.tiers.byName('nvme')!);
  await w.migration.hydrateNow(inode.ino);
  assert.equal(w.formOf(inode), 'plain ssd + packed hdd');
  const other = await w.add('g', data);
  await w.done('demote', other, 'hdd');
  for (const tier of w.tiers.tiers) w.tiers.noteFull(tier);
  await assert.rejects(w.migration.hydrateNow(other.ino), { code: 'ENOSPC' });
  assert.equal(w.formOf(other), 'packed hdd');
  assert.ok((await w.read(other)).equals(data));
});

test('asking twice is one job; the newer word of a person replaces the older', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  w.migration.pause();
  const first = w.move('demote', inode, 'hdd');
  assert.equal(w.move('demote', inode, 'hdd'), first);
  const newer = w.move('demote', inode, 'ssd');
  assert.equal(first.state, 'cancelled');
  const wish = w.migration.submit('promote', inode.ino, 'nvme', {
    pack: false,
    because: 'opened',
    urgent: false,
  });
  w.migration.resume();
  await w.migration.finished(newer);
  await w.migration.finished(wish);
  await assert.rejects(w.migration.finished(first), /a newer request replaced it/);
  assert.equal(w.formOf(inode), 'plain nvme + packed ssd');
});

test('paused, nothing starts and what runs stands still; resumed, it goes on', async (t) => {
  const w = await world(t, { settings: { migrateRate: 0 } });
  const inode = await w.add('f', randomBytesOf('a', MiB));
  const job = w.move('demote', inode, 'hdd');
  await delay(50);
  assert.equal(job.state, 'queued');
  assert.deepEqual([w.migration.status().state, w.migration.status().queued], ['paused', 1]);
  w.migration.resume();
  await w.migration.finished(job);
  assert.equal(w.migration.status().completed, 1);
});

test('what a person waits for copies records though moves are paused, and no move begins by it', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', 2 * MiB));
  await w.done('demote', inode, 'hdd');
  w.migration.pause();
  const job = w.move('promote', inode, 'nvme');
  const { id } = w.tiers.byName('ssd')!;
  assert.ok((await w.migration.unpaused(() => w.content.relocate(inode.ino, id))) > 0);
  assert.equal(job.state, 'queued');
  w.migration.resume();
  await w.migration.finished(job);
});

test('a file renamed while it is copied says its new name on the new tier', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  const reader = w.activity.open(inode.ino, 'read');
  const job = w.move('demote', inode, 'hdd', false);
  await reaches(job, 'waiting-for-close');
  inode.name = 'renamed';
  w.namespace.update(inode);
  reader.close();
  await w.migration.finished(job);
  const path = w.tiers.backingPath(w.tiers.byName('hdd')!, inode.ino);
  assert.equal(
    decodeBacktrace(native.getXattr(path, BACKTRACE_XATTR)!)?.ancestors[0].name,
    'renamed',
  );
});

test('closing in the middle of moves leaves every file whole and nothing half-made', async (t) => {
  const w = await world(t, { settings: { migrateRate: 4 * MiB } });
  const files = [];
  for (let i = 0; i < 4; i++) {
    const data = randomBytesOf(`${i}`, 8 * MiB);
    files.push({ data, inode: await w.add(`f${i}`, data) });
  }
  const jobs = files.map(({ inode }, i) => w.move('demote', inode, 'hdd', i % 2 === 0));
  const reader = w.activity.open(files[0].inode.ino, 'read');
  await delay(100);
  await w.migration.close();
  for (const job of jobs) assert.ok(['done', 'cancelled'].includes(job.state), job.state);
  for (const { inode, data } of files) assert.ok((await w.read(inode)).equals(data));
  assert.deepEqual(
    (await w.backing('hdd')).filter((name) => name.startsWith('incoming')),
    [],
  );
  const late = w.move('demote', files[0].inode, 'hdd');
  await assert.rejects(w.migration.finished(late), /being unmounted/);
  reader.close();
});

test('an old copy that comes to lie where the new one is being made is not unlinked with it', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  await w.done('demote', inode, 'hdd');
  // O_TRUNC on a packed file: the backing file is made in the turn in which the inode says so.
  const job = w.move('promote', inode, 'nvme');
  while (job.state === 'queued') await turn();
  const nvme = w.tiers.byName('nvme')!;
  const { writeFileSync } = await import('node:fs');
  const handle = w.activity.open(inode.ino, 'write');
  await rm(w.tiers.backingPath(nvme, inode.ino), { force: true });
  writeFileSync(w.tiers.backingPath(nvme, inode.ino), 'new');
  w.content.releaseRecipe(inode.ino);
  Object.assign(inode, { plainTier: nvme.id, packedTier: 0, digest: '', size: 3 });
  Object.assign(inode, { packedBytes: 0, unsettled: true });
  w.namespace.update(inode);
  handle.close();
  await w.migration.finished(job).catch(() => {});
  assert.equal((await w.read(inode)).toString(), 'new');
});
