import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pinOf } from '../../src/namespace/pins.js';
import { sweepInterval } from '../../src/migration/planner.js';
import { type Inode, ROOT_INO } from '../../src/namespace/types.js';
import { randomBytesOf, world, type World } from './world.js';

const MiB = 1024 * 1024;

/**
 * Waits for what nobody asked for; a test that waits in vain runs into the time limit of the
 * runner.
 */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

const idle = (w: World): boolean => {
  const { queued, running } = w.migration.status();
  return queued === 0 && running.length === 0;
};

test('left alone, a cold file goes down by itself; one in use and a pinned one stay', async (t) => {
  const w = await world(t, { settings: { coldAfterMs: 300 } });
  const data = randomBytesOf('a', MiB);
  const [cold, open, pinned] = [
    await w.add('cold', data),
    await w.add('open', data),
    await w.add('pinned', data),
  ];
  const reader = w.activity.open(open.ino, 'read');
  pinned.pin = w.tiers.byName('nvme')!.id;
  w.namespace.update(pinned);
  await until(() => w.formOf(cold) === 'packed hdd' && idle(w));
  assert.ok((await w.read(cold)).equals(data));
  assert.equal(w.formOf(open), 'plain nvme');
  assert.equal(w.formOf(pinned), 'plain nvme');
  reader.close();
  await until(() => w.formOf(open) === 'packed hdd');
});

test('above the high watermark the coldest go first, down to the low one', async (t) => {
  const settings = { tierWatermarks: { nvme: { high: 50, low: 30 } } };
  const w = await world(t, { settings });
  const nvme = w.tiers.byName('nvme')! as { capacity: number | null };
  nvme.capacity = 10 * MiB;
  await w.tiers.refresh();
  const files: Inode[] = [];
  for (let i = 0; i < 6; i++) {
    const inode = await w.add(`f${i}`, randomBytesOf(`${i}`, MiB));
    inode.heat = i + 1;
    inode.heatAt = Date.now() - 3_600_000;
    inode.btimeSec = Math.floor(inode.heatAt / 1000);
    w.namespace.update(inode);
    files.push(inode);
  }
  w.migration.nudge();
  await until(() => files.filter((inode) => inode.plainTier === 1).length <= 3 && idle(w));
  assert.deepEqual(
    files.map((inode) => w.formOf(inode).split(' ')[0]),
    ['packed', 'packed', 'packed', 'plain', 'plain', 'plain'],
  );
});

test('a file that is opened again and again comes up by heat', async (t) => {
  const w = await world(t, { promote: 'heat' });
  const inode = await w.add('f', randomBytesOf('a', MiB));
  await w.done('demote', inode, 'hdd');
  inode.heat = 1.4;
  inode.heatAt = Date.now();
  w.namespace.update(inode);
  await w.migration.sweep();
  assert.ok(idle(w));
  inode.heat = 2;
  w.namespace.update(inode);
  await delay(2);
  await w.migration.sweep();
  await until(() => w.formOf(inode) === 'plain nvme + packed hdd');
});

test('a pinned directory draws what is below it', async (t) => {
  const w = await world(t);
  const root = w.namespace.get(ROOT_INO)!;
  const inode = await w.add('f', randomBytesOf('a', MiB));
  root.pin = w.tiers.byName('ssd')!.id;
  w.namespace.update(root);
  assert.equal(pinOf(w.namespace, inode.ino), root.pin);
  await w.migration.sweep();
  await until(() => w.formOf(inode) === 'plain ssd');
});

test('a pin draws a sparse file that is longer than its tier has room, and fills nothing up', async (t) => {
  const settings = { tierWatermarks: { ssd: { high: 50, low: 30 } } };
  const w = await world(t, { settings });
  await w.limit(16 * MiB);
  const inode = await w.addSparse('image', randomBytesOf('a', MiB), 64 * MiB);
  const other = await w.add('other', randomBytesOf('b', MiB), 'ssd');
  for (const packed of [false, true]) {
    if (packed) await w.done('demote', inode, 'hdd');
    inode.pin = w.tiers.byName('ssd')!.id;
    w.namespace.update(inode);
    await w.migration.sweep();
    await w.migration.sweep();
    await until(() => inode.plainTier === inode.pin && idle(w));
    inode.pin = 0;
    w.namespace.update(inode);
  }
  assert.equal(w.formOf(other), 'plain ssd');
});

test('paused, nothing moves by itself', async (t) => {
  const w = await world(t, { settings: { coldAfterMs: 1 } });
  w.migration.pause();
  const inode = await w.add('f', randomBytesOf('a', 1000));
  await delay(5);
  await w.migration.sweep();
  assert.ok(idle(w));
  assert.equal(w.formOf(inode), 'plain nvme');
});

/** What runs at intervals from now on, by milliseconds. */
function watchIntervals(t: TestContext): Map<number, () => void> {
  const { setInterval } = globalThis;
  const seen = new Map<number, () => void>();
  const watching = (run: () => void, ms: number): NodeJS.Timeout => {
    seen.set(ms, run);
    return setInterval(run, ms);
  };
  globalThis.setInterval = watching as typeof setInterval;
  t.after(() => (globalThis.setInterval = setInterval));
  return seen;
}

test('space is given back every ten seconds, also where nobody writes and no sweep is due', async (t) => {
  const intervals = watchIntervals(t);
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  await w.done('demote', inode, 'hdd');
  await w.remove(inode);
  intervals.get(10_000)!();
  await until(() => w.content.packs().length === 0);
});

test('sweeps follow cold-after within bounds', () => {
  assert.deepEqual([0, 1000, 10_000, 86_400_000].map(sweepInterval), [200, 200, 1000, 60_000]);
});
