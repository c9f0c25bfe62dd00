/** Small files that are made plain, or whose plain copies are dropped, in one step: as one by one, whatever befalls some. */
import assert from 'node:assert/strict';
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { MigrationDeps } from '../../src/migration/deps.js';
import type { Inode } from '../../src/namespace/types.js';
import { native } from '../../src/native.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../../src/tiers/backtrace.js';
import { damage } from './damage.js';
import { randomBytesOf, type World, world } from './world.js';

const COUNT = 12;

function contents(): Buffer[] {
  return Array.from({ length: COUNT }, (_, i) => randomBytesOf(`${i}`, 1 + 7001 * i));
}

async function addAll(w: World, all: readonly Buffer[]): Promise<Inode[]> {
  const inodes: Inode[] = [];
  for (const [i, data] of all.entries()) inodes.push(await w.add(`file ${i}`, data));
  return inodes;
}

type Ended = PromiseSettledResult<void>[];

function moveAll(
  w: World,
  kind: 'promote' | 'demote',
  inodes: readonly Inode[],
  tier: string,
  pack?: boolean,
): Promise<Ended> {
  return Promise.allSettled(inodes.map((inode) => w.done(kind, inode, tier, pack)));
}

const failedOf = (ended: Ended): number[] =>
  [...ended.keys()].filter((i) => ended[i].status === 'rejected');

/** How many files each native step of a group reads. */
function watchReads(t: TestContext): { plain: number[]; packed: number[] } {
  const seen = { plain: [] as number[], packed: [] as number[] };
  const { readFiles, readPlanFiles } = native;
  t.mock.method(native, 'readFiles', (...args: Parameters<typeof readFiles>) => {
    seen.plain.push(args[0].length);
    return readFiles(...args);
  });
  t.mock.method(native, 'readPlanFiles', (...args: Parameters<typeof readPlanFiles>) => {
    seen.packed.push(args[1].length);
    return readPlanFiles(...args);
  });
  return seen;
}

async function assertAll(
  w: World,
  inodes: readonly Inode[],
  all: readonly Buffer[],
  form: string,
): Promise<void> {
  for (const [i, inode] of inodes.entries()) {
    assert.equal(w.formOf(inode), form, `file ${i}`);
    assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
  }
}

test('small plain files go to another tier together, with times and backtrace', async (t) => {
  const seen = watchReads(t);
  const w = await world(t);
  const all = contents();
  const inodes = await addAll(w, all);
  const sparse = await w.addSparse('sparse', all[3], 400_000);
  for (const [i, inode] of inodes.entries()) {
    Object.assign(inode, {
      atimeSec: 1_000_000 + i,
      atimeNsec: 3,
      mtimeSec: 2_000_000 + i,
      mtimeNsec: 5,
    });
    w.namespace.update(inode);
  }
  const nvme = w.tiers.byName('nvme')!;
  const ssd = w.tiers.byName('ssd')!;
  await moveAll(w, 'demote', [...inodes, sparse], 'ssd', false);
  assert.deepEqual(seen, { plain: [COUNT], packed: [] });
  assert.equal(w.formOf(sparse), 'plain ssd');
  assert.ok(sparse.plainBlocks * 512 < 400_000, 'what was a hole is one');
  for (const [i, inode] of inodes.entries()) {
    const path = w.tiers.backingPath(ssd, inode.ino);
    const wanted = encodeBacktrace(w.namespace, w.tiers.volumeId, inode);
    assert.deepEqual(native.getXattr(path, BACKTRACE_XATTR), wanted, `file ${i}`);
    const { atimeNs, mtimeNs } = await stat(path, { bigint: true });
    assert.equal(atimeNs, BigInt(1_000_000 + i) * 1_000_000_000n + 3n);
    assert.equal(mtimeNs, BigInt(2_000_000 + i) * 1_000_000_000n + 5n);
  }
  assert.deepEqual(await w.backing('nvme'), []);
  assert.equal(w.tiers.usage(nvme).plainBytes, 0);
  const blocks = [...inodes, sparse].reduce((sum, { plainBlocks }) => sum + plainBlocks, 0);
  assert.equal(w.tiers.usage(ssd).plainBytes, 512 * blocks);
  await assertAll(w, inodes, all, 'plain ssd');
});

test('small packed files become plain together, and their plain copies are dropped together', async (t) => {
  const seen = watchReads(t);
  const w = await world(t);
  const all = [...contents(), Buffer.concat([Buffer.of(1), Buffer.alloc(300_000), Buffer.of(2)])];
  const inodes = await addAll(w, all);
  const withHole = inodes[COUNT];
  await moveAll(w, 'demote', inodes, 'hdd');
  const packed = w.content.packs();
  seen.plain.length = 0;
  await moveAll(w, 'promote', inodes, 'ssd');
  await assertAll(w, inodes, all, 'plain ssd + packed hdd');
  assert.ok(withHole.plainBlocks * 512 < 300_000, 'a run of zeros became a hole');
  assert.deepEqual(seen, { plain: [], packed: [COUNT] });
  await moveAll(w, 'demote', inodes, 'hdd');
  await assertAll(w, inodes, all, 'packed hdd');
  assert.deepEqual(seen, { plain: [COUNT + 1], packed: [COUNT, COUNT + 1] });
  assert.deepEqual(w.content.packs(), packed, 'nothing was packed anew');
  assert.deepEqual(await w.backing('ssd'), []);
  assert.equal(w.tiers.usage(w.tiers.byName('ssd')!).plainBytes, 0);
});

test('of a group one that can not be written fails, and the others move', async (t) => {
  const w = await world(t);
  const all = contents();
  const inodes = await addAll(w, all);
  const inTheWay = w.tiers.incomingPath(w.tiers.byName('ssd')!, inodes[3].ino);
  await mkdir(inTheWay);
  const ended = await moveAll(w, 'demote', inodes, 'ssd', false);
  assert.deepEqual(failedOf(ended), [3]);
  for (const [i, inode] of inodes.entries()) {
    assert.equal(w.formOf(inode), i === 3 ? 'plain nvme' : 'plain ssd');
    assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
  }
  await rmdir(inTheWay);
  await moveAll(w, 'demote', inodes, 'ssd', false);
  await assertAll(w, inodes, all, 'plain ssd');
});

test('a group that finds no room as a whole moves as far as there is some', async (t) => {
  const free = 100_000;
  const wrap = (deps: MigrationDeps): MigrationDeps => ({
    ...deps,
    tiers: { ...deps.tiers, usage: (tier) => ({ ...deps.tiers.usage(tier), free }) },
  });
  const w = await world(t, { wrap });
  const all = [...contents(), randomBytesOf('large', 2 * free)];
  const inodes = await addAll(w, all);
  assert.deepEqual(failedOf(await moveAll(w, 'demote', inodes, 'ssd', false)), [COUNT]);
  await assertAll(w, inodes.slice(0, COUNT), all, 'plain ssd');
  await assertAll(w, inodes.slice(COUNT), all.slice(COUNT), 'plain nvme');
});

test('of a group one with a damaged packed form says so, and the others become plain', async (t) => {
  const w = await world(t);
  const all = contents();
  const inodes = await addAll(w, all);
  await moveAll(w, 'demote', inodes, 'hdd');
  await damage(await w.content.planFor(inodes[4].ino), 0);
  const ended = await moveAll(w, 'promote', inodes, 'nvme');
  assert.deepEqual(failedOf(ended), [4]);
  for (const [i, inode] of inodes.entries()) {
    assert.equal(w.formOf(inode), i === 4 ? 'packed hdd' : 'plain nvme + packed hdd');
    if (i !== 4) assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
  }
  assert.equal((await w.backing('nvme')).length, COUNT - 1);
});

test('of a group one with a damaged packed form is packed anew from its plain copy', async (t) => {
  const w = await world(t);
  const all = contents();
  const inodes = await addAll(w, all);
  await moveAll(w, 'demote', inodes, 'hdd');
  await moveAll(w, 'promote', inodes, 'nvme');
  await damage(await w.content.planFor(inodes[4].ino), 0);
  assert.deepEqual(failedOf(await moveAll(w, 'demote', inodes, 'hdd')), []);
  await assertAll(w, inodes, all, 'packed hdd');
  assert.equal(w.content.damage().badChunks, 0);
});

test('a program that waits for one file of a group does not wait for the group', async (t) => {
  const w = await world(t);
  const all = contents();
  const inodes = await addAll(w, all);
  await moveAll(w, 'demote', inodes, 'hdd');
  let hydrated: Promise<void> | undefined;
  const { readPlanFiles, hydrate } = native;
  t.mock.method(native, 'readPlanFiles', async (...args: Parameters<typeof readPlanFiles>) => {
    const group = await readPlanFiles(...args);
    hydrated = w.migration.hydrateNow(inodes[7].ino);
    return group;
  });
  const byThemselves = t.mock.method(native, 'hydrate', hydrate);
  const ended = moveAll(w, 'promote', inodes, 'ssd');
  while (!hydrated) await new Promise((resolve) => setTimeout(resolve, 1));
  await hydrated;
  assert.notEqual(inodes[7].plainTier, 0);
  assert.deepEqual(failedOf(await ended), []);
  assert.equal(byThemselves.mock.callCount(), COUNT);
  await assertAll(w, inodes, all, 'plain ssd + packed hdd');
});

for (const form of ['plain', 'packed'] as const) {
  test(`a ${form} file that is opened, written or deleted meanwhile loses nothing`, async (t) => {
    const w = await world(t);
    const all = contents();
    const inodes = await addAll(w, all);
    if (form === 'packed') await moveAll(w, 'demote', inodes, 'hdd');
    const [opened, written, deleted] = inodes.slice(5);
    const anew = randomBytesOf('anew', 6000);
    let reader: { close(): void } | undefined;
    const read = form === 'plain' ? 'readFiles' : 'readPlanFiles';
    const original = native[read] as (...args: unknown[]) => Promise<unknown>;
    t.mock.method(native, read, async (...args: unknown[]) => {
      const group = await original(...args);
      if (reader) return group;
      reader = w.activity.open(opened.ino, 'read');
      // The one waits for the group, which the others change.
      void w.overwrite(written, anew);
      await w.remove(deleted);
      return group;
    });
    const ended = moveAll(w, 'promote', inodes, 'ssd', false);
    const isWaiting = (): boolean =>
      w.migration.status().running.some(({ state }) => state === 'waiting-for-close');
    while (!isWaiting()) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(w.formOf(opened), form === 'plain' ? 'plain nvme' : 'packed hdd');
    reader?.close();
    await ended;
    for (const [i, inode] of inodes.entries()) {
      if (inode === deleted) continue;
      const wanted = inode === written ? anew : all[i];
      assert.ok((await w.read(inode)).equals(wanted), `file ${i} (${w.formOf(inode)})`);
    }
    const left = [...(await w.backing('ssd')), ...(await w.backing('nvme'))];
    assert.deepEqual(
      left.map((path) => parseInt(basename(path), 16)).sort((a, b) => a - b),
      inodes.filter((inode) => inode !== deleted).map(({ ino }) => ino),
    );
  });
}
