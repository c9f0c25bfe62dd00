/** All that is packed on one tier goes to another, so that its disk can be taken out: no file loses a byte by it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parityPathOf } from '../../src/content/packs.js';
import type { Tier } from '../../src/tiers/types.js';
import { text } from '../native/content-kit.js';
import { randomFrom } from '../seed.js';
import {
  assertReads,
  benchForEach,
  buildRecipe,
  closeBench,
  FAST,
  openBench,
  packFile,
  packGroup,
  randomBytes,
  SLOW,
  writeParity,
  type Bench,
} from './fixture.js';

let bench: Bench;
benchForEach(
  (made) => (bench = made),
  () => bench,
);

const MIB = 1 << 20;

const packsOn = (tier: number) => bench.content.packs().filter((pack) => pack.tier === tier);
const liveOn = (tier: number): number => packsOn(tier).reduce((sum, { live }) => sum + live, 0);

function pathOf({ tier, packId }: { tier: number; packId: number }): string {
  return bench.tiers.packPath(bench.tiers.byId(tier)!, packId);
}

/** Files in packs of both tiers, sealed and open, that share chunks; some of them in chains. */
async function pack(): Promise<Map<number, Buffer>> {
  const [one, two, three] = [1, 2, 3].map((seed) => randomBytes(seed, 4 * MIB));
  const files = new Map([
    [10, one],
    [11, Buffer.concat([one.subarray(0, 2 * MIB), two])],
    [12, Buffer.concat([two, three])],
    [13, Buffer.alloc(MIB)],
  ]);
  const tiers = new Map([
    [10, FAST],
    [11, SLOW],
    [12, FAST],
    [13, SLOW],
  ]);
  for (const [ino, bytes] of files) {
    await packFile(bench, ino, bytes, { tier: tiers.get(ino), level: 1 });
    if (ino === 11) await reopen();
  }
  const random = randomFrom(4);
  const original = text(200_000, random);
  const small = new Map<number, Buffer>();
  for (let ino = 20; ino < 40; ino++) {
    small.set(ino, Buffer.concat([original.subarray(ino * 1000), Buffer.from(`version ${ino}`)]));
  }
  await packGroup(bench, small, { tier: SLOW, level: 6, chainBytes: 512 << 10 });
  return new Map([...files, ...small]);
}

async function reopen(): Promise<void> {
  await closeBench(bench);
  bench = await openBench(bench.directory);
}

async function assertAll(files: Map<number, Buffer>): Promise<void> {
  for (const [ino, bytes] of files) await assertReads(bench, ino, bytes);
}

for (const [from, to, what] of [
  [FAST, SLOW, 'a slower'],
  [SLOW, FAST, 'a faster'],
] as const) {
  test(`what is packed on a tier goes to ${what} one, and nothing stays of it there`, async () => {
    const files = await pack();
    const built = await buildRecipe(bench, 50, randomBytes(9, 2 * MIB), { tier: from });
    const before = liveOn(from);
    assert.ok(before > 6 * MIB);
    const other = liveOn(to);
    const moved = await bench.content.evacuate(from, to);
    assert.ok(moved >= before, 'chains take along what they need');
    assert.equal(liveOn(from), 0);
    assert.equal(liveOn(to), other + moved, 'what was there already stays');
    // A job that was under way goes on with what it had found.
    bench.content.commitRecipe(built.recipe);
    files.set(50, randomBytes(9, 2 * MIB));
    await bench.store.commit();
    const paths = packsOn(from).map(pathOf);
    await bench.content.reclaimAll();
    assert.deepEqual(packsOn(from), []);
    for (const path of paths) assert.ok(!existsSync(path) && !existsSync(parityPathOf(path)), path);
    assert.equal(bench.tiers.usage(bench.tiers.byId(from)!).packedBytes, 0);
    await assertAll(files);
    await reopen();
    await assertAll(files);
    assert.equal(await bench.content.evacuate(from, to), 0);
  });
}

test('a plan that was opened before is read to its end', async () => {
  const files = await pack();
  const plan = await bench.content.openFor(11);
  await bench.content.evacuate(SLOW, FAST);
  await bench.content.reclaimAll();
  const { native } = await import('../../src/native.js');
  assert.ok((await native.readPlan(plan, 0, files.get(11)!.length)).equals(files.get(11)!));
  plan.close();
});

test('where the other tier has no room, what has not moved stays where it is', async (t) => {
  const files = await pack();
  const { usage } = bench.tiers;
  const limit = liveOn(FAST) + 3 * MIB;
  t.mock.method(bench.tiers, 'usage', (tier: Tier) => ({
    ...usage(tier),
    free: tier.id === FAST ? Math.max(0, limit - liveOn(FAST)) : usage(tier).free,
  }));
  await assert.rejects(bench.content.evacuate(SLOW, FAST), { code: 'ENOSPC' });
  assert.ok(liveOn(SLOW) > 0);
  await assertAll(files);
});

/** A few bytes in the middle of a pack. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  bytes.write('rotten', bytes.length >> 1);
  writeFileSync(path, bytes);
}

test('what is damaged is mended on the way, and stays where that can not be done', async () => {
  const files = new Map([[10, randomBytes(1, 8 * MIB)]]);
  await packFile(bench, 10, files.get(10)!);
  await writeParity(bench);
  await reopen();
  const [path] = packsOn(SLOW).map(pathOf);
  damage(path);
  await bench.content.evacuate(SLOW, FAST);
  assert.equal(liveOn(SLOW), 0);
  await assertAll(files);
  assert.match(bench.complaints.splice(0).join(), /damaged/);

  await reopen();
  for (const other of packsOn(FAST).map(pathOf)) {
    damage(other);
    rmSync(parityPathOf(other), { force: true });
  }
  await bench.content.evacuate(FAST, SLOW);
  const left = liveOn(FAST);
  assert.ok(left > 0 && left < MIB, `${left} bytes stay`);
  await bench.content.reclaimAll();
  assert.equal(liveOn(FAST), left, 'a chunk that nobody could copy is not given back');
  assert.match(bench.complaints.splice(0).join(), /damaged/);
});
