import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { loadPacks } from '../../src/content/packs.js';
import { encodePack, packKey } from '../../src/content/records.js';
import { readSavings } from '../../src/content/savings.js';
import { openStore } from '../../src/store/store.js';
import type { Tier } from '../../src/tiers/types.js';
import { text } from '../native/content-kit.js';
import { randomFrom } from '../seed.js';
import {
  assertReads,
  buildRecipe,
  closeBench,
  FAST,
  openBench,
  packBytes,
  packFile,
  packGroup,
  randomBytes,
  reclaimAll,
  SLOW,
  type Bench,
  benchForEach,
} from './fixture.js';

let bench: Bench;
benchForEach(
  (made) => (bench = made),
  () => bench,
);

const MIB = 1 << 20;

test('the space of a deleted file comes back on disk', async () => {
  await packFile(bench, 10, randomBytes(1, 20 * MIB));
  const paths = bench.content.packs().map(pathOf);
  bench.content.releaseRecipe(10);
  await bench.store.commit();
  assert.ok(!bench.content.hasRecipe(10));
  const report = await bench.content.reclaim();
  assert.equal(report.recipes, 1);
  assert.ok(report.bytesFreed >= 20 * MIB);
  assert.ok(paths.every((path) => !existsSync(path)));
  assert.equal(packBytes(bench), 0);
  assert.deepEqual(readSavings(bench.store), { logical: 0, unique: 0, stored: 0, again: 0 });
  assert.equal(bench.tiers.usage(bench.tiers.byId(SLOW)!).packedBytes, 0);
});

test('chunks that another file has stay when one is deleted', async () => {
  const bytes = randomBytes(2, 12 * MIB);
  await packFile(bench, 10, bytes);
  await packFile(bench, 11, Buffer.concat([bytes, randomBytes(3, MIB)]));
  bench.content.releaseRecipe(10);
  await reclaimAll(bench);
  await assertReads(bench, 11, Buffer.concat([bytes, randomBytes(3, MIB)]));
});

test('a recipe that is committed while garbage is settled keeps its chunks', async () => {
  await packFile(bench, 10, randomBytes(4, 2 * MIB));
  await packFile(bench, 11, randomBytes(5, 2 * MIB));
  const bytes = randomBytes(6, 2 * MIB);
  const { recipe } = await buildRecipe(bench, 12, bytes);
  bench.content.releaseRecipe(10);
  bench.content.releaseRecipe(11);
  const reclaimed = bench.content.reclaim();
  await new Promise((resolve) => setImmediate(resolve));
  bench.content.commitRecipe(recipe);
  await reclaimed;
  await reclaimAll(bench);
  await assertReads(bench, 12, bytes);
});

test('compaction keeps what is live and frees the rest', async () => {
  const keep = randomBytes(4, 4 * MIB);
  const also = randomBytes(5, 3 * MIB);
  await packFile(bench, 10, keep, { level: 3 });
  await packFile(bench, 11, randomBytes(6, 30 * MIB));
  await packFile(bench, 12, also);
  bench.content.releaseRecipe(11);
  await reclaimAll(bench);
  assert.ok(packBytes(bench) < 8 * MIB, `${packBytes(bench)} bytes are left`);
  await assertReads(bench, 10, keep);
  await assertReads(bench, 12, also);
});

test('what died in chains is given back, and what lives there is stored anew', async () => {
  const files = new Map<number, Buffer>();
  const random = randomFrom(7);
  const options = { level: 3, chainBytes: 512 << 10 };
  // Each file has parts of others: their chunks lie in chains of other files.
  const parts = Array.from({ length: 40 }, () => text(150_000, random));
  for (let ino = 10; ino < 30; ino++) {
    const bytes = Buffer.concat([0, 1, 2, 3].map(() => parts[random() % parts.length]));
    files.set(ino, bytes);
    await packFile(bench, ino, bytes, options);
  }
  for (const keep of [[11, 14, 19, 23, 28], [14, 28], [28]]) {
    for (const ino of files.keys()) {
      if (keep.includes(ino)) continue;
      bench.content.releaseRecipe(ino);
      files.delete(ino);
    }
    await bench.content.reclaimAll();
    for (const [ino, bytes] of files) await assertReads(bench, ino, bytes);
    await bench.store.commit();
    const [{ stored }, packs] = [readSavings(bench.store), bench.content.packs()];
    assert.equal(
      packs.reduce((sum, { live }) => sum + live, 0),
      stored,
    );
    const again = await bench.content.reclaimAll();
    assert.equal(again.bytesMoved, 0, 'what was stored anew is at rest');
  }
});

test('versions of which some are deleted never take more than all of them did', async () => {
  const random = randomFrom(8);
  const original = text(12_000, random);
  const files = new Map<number, Buffer>();
  for (let ino = 10; ino < 130; ino++) {
    const at = random() % original.length;
    const [head, tail] = [original.subarray(0, at), original.subarray(at)];
    files.set(ino, Buffer.concat([head, Buffer.from(`version ${ino}`), tail]));
  }
  await packGroup(bench, files, { level: 6, chainBytes: 512 << 10 });
  const before = packBytes(bench);
  for (const ino of [...files.keys()].filter((ino) => ino % 3 > 0)) {
    bench.content.releaseRecipe(ino);
    files.delete(ino);
  }
  await bench.content.reclaimAll();
  assert.ok(packBytes(bench) <= before, `${packBytes(bench)} instead of ${before}`);
  for (const [ino, bytes] of files) await assertReads(bench, ino, bytes);
});

test('a tier that has room for what is live, but not decoded, is compacted', async (t) => {
  const keep = text(6 * MIB, randomFrom(9));
  const { storedBytes } = await packFile(bench, 10, keep, { level: 3 });
  await packFile(bench, 11, randomBytes(10, 20 * MIB));
  bench.content.releaseRecipe(11);
  const { usage } = bench.tiers;
  t.mock.method(bench.tiers, 'usage', (tier: Tier) => ({
    ...usage(tier),
    free: storedBytes + MIB,
  }));
  assert.ok(storedBytes + MIB < keep.length);
  const { packsCompacted } = await bench.content.reclaimAll();
  assert.equal(packsCompacted, 1);
  await assertReads(bench, 10, keep);
});

test('a pack with one small file is left as it is, for a copy would be no smaller', async () => {
  await packFile(bench, 10, Buffer.from('x\n'));
  for (const state of ['open', 'sealed']) {
    const before = bench.content.packs();
    const { bytesMoved } = await bench.content.reclaimAll();
    assert.equal(bytesMoved, 0, state);
    assert.deepEqual(bench.content.packs(), before);
    await closeBench(bench);
    bench = await openBench(bench.directory);
  }
  await assertReads(bench, 10, Buffer.from('x\n'));
});

test('what dies beside small files is given back, at once and only once', async () => {
  for (let i = 0; i < 30; i++) await packFile(bench, 10 + i, Buffer.from(`file ${i}`));
  for (let i = 1; i < 30; i++) bench.content.releaseRecipe(10 + i);
  const [old] = bench.content.packs();
  const { packsCompacted } = await bench.content.reclaimAll();
  assert.equal(packsCompacted, 1);
  assert.ok(bench.content.packs().every(({ packId }) => packId !== old.packId));
  await assertReads(bench, 10, Buffer.from('file 0'));
});

test('gc says what is dead and stays, to the byte, in a pack that is open and in one that is sealed', async () => {
  const live = await packFile(bench, 10, randomBytes(4, 8 * MIB));
  const dead = await packFile(bench, 11, randomBytes(5, 3 * MIB));
  assert.equal((await bench.content.reclaimAll()).deadBytes, 0);
  bench.content.releaseRecipe(11);
  for (const state of ['open', 'sealed']) {
    const { bytesFreed, deadBytes } = await bench.content.reclaimAll();
    assert.deepEqual({ bytesFreed, deadBytes }, { bytesFreed: 0, deadBytes: dead.storedBytes });
    assert.ok(packBytes(bench) > live.storedBytes + deadBytes, state);
    await closeBench(bench);
    bench = await openBench(bench.directory);
  }
  bench.content.releaseRecipe(10);
  assert.equal((await bench.content.reclaimAll()).deadBytes, 0);
});

test('gc ends while files go on being deleted: what is deleted meanwhile waits', async () => {
  const bytes = Array.from({ length: 3 }, (_, i) => randomBytes(20 + i, MIB));
  for (const [i, content] of bytes.entries()) await packFile(bench, 10 + i, content);
  bench.content.releaseRecipe(10);
  const all = bench.content.reclaimAll();
  bench.content.releaseRecipe(11);
  assert.equal((await all).recipes, 1);
  assert.equal((await bench.content.reclaimAll()).recipes, 1);
  await assertReads(bench, 12, bytes[2]);
});

test('a plan that is open goes on reading when its packs were compacted away', async () => {
  const keep = randomBytes(7, 4 * MIB);
  await packFile(bench, 10, keep);
  await packFile(bench, 11, randomBytes(8, 30 * MIB));
  const plan = native.openPlan(await bench.content.planFor(10));
  const { digest } = await native.checkPlan(plan);
  const [old] = bench.content.packs().map(pathOf);
  bench.content.releaseRecipe(11);
  await reclaimAll(bench);
  assert.ok(!existsSync(old));
  const again = await native.checkPlan(plan);
  plan.close();
  assert.equal(again.bad.length, 0);
  assert.ok(again.digest.equals(digest));
  await assertReads(bench, 10, keep);
});

test('a recipe that waits for its check is not taken for garbage', async () => {
  const bytes = randomBytes(9, 6 * MIB);
  const { recipe } = await buildRecipe(bench, 10, bytes);
  await reclaimAll(bench);
  bench.content.commitRecipe(recipe);
  await assertReads(bench, 10, bytes);
});

test('reclaim beside running jobs takes no chunk that they found', async () => {
  const shared = randomBytes(11, 10 * MIB);
  await packFile(bench, 10, shared);
  for (let round = 0; round < 6; round++) {
    const ino = 11 + round;
    const packing = packFile(bench, ino, shared, { batchBytes: MIB });
    bench.content.releaseRecipe(ino - 1);
    await Promise.all([packing, bench.content.reclaim(), bench.content.reclaim()]);
    await assertReads(bench, ino, shared);
  }
  await reclaimAll(bench);
  await assertReads(bench, 16, shared);
  assert.ok(packBytes(bench) < 25 * MIB);
});

test('relocation brings a file to another tier, whole', async () => {
  const bytes = randomBytes(12, 8 * MIB);
  await packFile(bench, 10, bytes, { tier: FAST, level: 1 });
  await packFile(bench, 11, bytes.subarray(0, 4 * MIB), { tier: SLOW });
  const moved = await bench.content.relocate(10, SLOW);
  assert.ok(moved >= bytes.length * 0.99);
  assert.equal(await bench.content.relocate(10, SLOW), 0);
  await reclaimAll(bench);
  assert.ok(bench.content.packs().every(({ tier }) => tier === SLOW));
  await assertReads(bench, 10, bytes);
  await assertReads(bench, 11, bytes.subarray(0, 4 * MIB));
  assert.equal(bench.tiers.usage(bench.tiers.byId(FAST)!).packedBytes, 0);
});

test('a relocation that is cancelled ends before its next pack, and can be done later', async () => {
  const first = randomBytes(14, 4 * MIB);
  const bytes = Buffer.concat([first, randomBytes(15, 4 * MIB)]);
  await packFile(bench, 10, first, { tier: FAST });
  await closeBench(bench);
  bench = await openBench(bench.directory);
  await packFile(bench, 11, bytes, { tier: FAST });
  const liveOn = (wanted: number): number =>
    bench.content.packs().reduce((sum, { tier, live }) => sum + (tier === wanted ? live : 0), 0);
  const control = {
    cancel: () => {},
    done: 0,
    get cancelled() {
      return liveOn(SLOW) > 0;
    },
  };
  await assert.rejects(bench.content.relocate(11, SLOW, control), { code: 'ECANCELED' });
  assert.ok(liveOn(SLOW) >= 3 * MIB && liveOn(FAST) >= 3 * MIB);
  await assertReads(bench, 11, bytes);
  await bench.content.relocate(11, SLOW);
  // Its end is not the other's: that chunk stays.
  assert.ok(liveOn(FAST) < MIB);
  await assertReads(bench, 10, first);
  await assertReads(bench, 11, bytes);
});

function pathOf({ tier, packId }: { tier: number; packId: number }): string {
  return bench.tiers.packPath(bench.tiers.byId(tier)!, packId);
}

test('a pack that is wrongly counted as empty is not removed', async () => {
  const bytes = randomBytes(13, 4 * MIB);
  await packFile(bench, 10, bytes);
  const [{ packId, live }] = bench.content.packs();
  await closeBench(bench);
  const store = await openStore(`${bench.directory}/volume/namespace`);
  const record = loadPacks(store).get(packId)!;
  store.table('packs').put(packKey(packId), encodePack({ ...record, live: 0 }));
  await store.close();
  bench = await openBench(bench.directory);
  await bench.content.reclaim();
  assert.match(bench.complaints.splice(0).join(), /has live chunks; it stays/);
  assert.equal(bench.content.packs()[0].live, live);
  await assertReads(bench, 10, bytes);
});

test('a lost pack counts no longer than somebody needs what was in it', async () => {
  await packFile(bench, 10, randomBytes(14, 4 * MIB));
  await packFile(bench, 11, randomBytes(15, 2 * MIB));
  await closeBench(bench);
  bench = await openBench(bench.directory);
  const [pack] = bench.content.packs();
  renameSync(pathOf(pack), `${pathOf(pack)}.away`);
  await assert.rejects(bench.content.openFor(10), { code: 'EIO' });
  assert.match(bench.complaints.splice(0).join(), /a pack is lost/);
  bench.content.releaseRecipe(10);
  await bench.content.reclaim();
  assert.equal(packBytes(bench), pack.size, 'the other file may get it back');
  bench.content.releaseRecipe(11);
  const { bytesFreed } = await bench.content.reclaim();
  const { packedBytes } = bench.tiers.usage(bench.tiers.byId(SLOW)!);
  assert.deepEqual([packBytes(bench), packedBytes, bytesFreed], [0, 0, 0]);
  assert.deepEqual(bench.content.damage(), { badChunks: 0, lostPacks: [] });
});

test('the small packs of many unmounts become one, at a bounded cost', async () => {
  const files = Array.from({ length: 70 }, (_, i) => randomBytes(100 + i, 100_000));
  let moved = 0;
  for (const [i, bytes] of files.entries()) {
    await packFile(bench, 10 + i, bytes);
    await closeBench(bench);
    bench = await openBench(bench.directory);
    moved += (await bench.content.reclaim()).bytesMoved;
  }
  await reclaimAll(bench);
  assert.ok(bench.content.packs().length < 20, `${bench.content.packs().length} packs`);
  // 70 packs of 100 kB: merged by eight, and those once more.
  assert.ok(moved <= 2.1 * packBytes(bench), `${moved} bytes copied`);
  for (const [i, bytes] of files.entries()) await assertReads(bench, 10 + i, bytes);
});
