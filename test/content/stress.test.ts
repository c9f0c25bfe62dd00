/**
 * Many jobs at once on one store: packing, deleting, moving, reclaiming, chunks found damaged, and a medium that fails now
 * and then. Meanwhile the tables agree with each other, and name nothing that no sync confirmed; in the end every file reads
 * as it was packed.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parityPathOf } from '../../src/content/packs.js';
import { decodeLocation, decodeSegment, nameAt } from '../../src/content/records.js';
import type { Recipe } from '../../src/content/types.js';
import { hashKey } from '../../src/content/uses.js';
import { native } from '../../src/native.js';
import { text } from '../native/content-kit.js';
import { randomFrom, seed } from '../seed.js';
import {
  assertReads,
  buildRecipe,
  changeWriters,
  closeBench,
  createBench,
  FAST,
  openBench,
  randomBytes,
  reclaimAll,
  removeBench,
  SLOW,
  type Bench,
} from './fixture.js';

/** A segment, 1024 of them, has some 2 MiB. */
const CHUNKING = { min: 512, average: 2048, max: 8192 };
const PACKERS = 4;
const FILES_EACH = 20;
/** Files have runs of these in common. Half of them shrink, and are chained. */
const BLOCKS = Array.from({ length: 16 }, (_, i) => {
  const length = 60_000 + i * 30_000;
  return i % 2 === 0 ? randomBytes(i + 1, length) : text(length, randomFrom(i));
});

const random = randomFrom(seed);
const below = (limit: number): number => random() % limit;
const oneIn = (times: number): boolean => below(times) === 0;

interface World {
  bench: Bench;
  files: Map<number, Buffer>;
  packing: boolean;
  /** What is durable of each pack, in bytes. */
  durable: Map<number, number>;
}

function fail(code: string): never {
  throw Object.assign(new Error('the medium failed'), { code });
}

/** Packs whose writing fails now and then, and that note what their syncs confirmed. */
function failingWriters(t: TestContext, durable: Map<number, number>): () => void {
  return changeWriters(t, (writer, packId) => {
    const { append, copyRecords, sync, seal } = writer;
    durable.set(packId, 0);
    writer.append = async (chunks) => (oneIn(40) ? fail('ENOSPC') : append(chunks));
    writer.copyRecords = async (...what) => {
      await delay(below(3));
      return oneIn(20) ? fail(oneIn(2) ? 'ENOSPC' : 'EBADMSG') : copyRecords(...what);
    };
    writer.sync = async () => {
      const { size } = writer;
      await delay(below(8));
      if (oneIn(60)) fail('EIO');
      await sync();
      durable.set(packId, Math.max(durable.get(packId)!, size));
    };
    writer.seal = async () => {
      await seal();
      durable.set(packId, Infinity);
    };
  });
}

async function packFiles({ bench, files }: World, first: number): Promise<void> {
  for (let ino = first; ino < first + FILES_EACH; ino++) {
    const parts = Array.from({ length: 2 + below(24) }, () => BLOCKS[below(BLOCKS.length)]);
    const bytes = Buffer.concat(parts);
    const tier = oneIn(2) ? FAST : SLOW;
    const options = {
      tier,
      level: below(3),
      chainBytes: [0, 20_000, 512 << 10][below(3)],
      jumpRate: oneIn(3) ? 0.2 : Infinity,
    };
    try {
      const batchBytes = [300_000, 1 << 20, 2 << 20][below(3)];
      const built = await buildRecipe(bench, ino, bytes, { ...options, batchBytes });
      if (oneIn(6)) await built.abort();
      else if (await readsBack(bench, built.recipe)) {
        bench.content.commitRecipe(built.recipe);
        files.set(ino, bytes);
      } else await built.abort();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      assert.ok(code === 'ENOSPC' || code === 'EIO', String(error));
    }
  }
}

/** As a move does: what is bad is marked, and the next one stores it anew. */
async function readsBack(bench: Bench, recipe: Recipe): Promise<boolean> {
  const plan = native.openPlan(await bench.content.planForRecipe(recipe));
  try {
    const { bad } = await native.checkPlan(plan);
    for (const i of bad) bench.content.markBadName(nameAt(recipe, i));
    return bad.length === 0;
  } finally {
    plan.close();
  }
}

async function reclaim(world: World): Promise<void> {
  while (world.packing) {
    await world.bench.content.reclaim();
    if (oneIn(2)) await world.bench.content.keepParity();
    await delay(below(40));
  }
}

async function disturb(world: World): Promise<void> {
  const { bench, files } = world;
  while (world.packing) {
    const ino = [...files.keys()][below(Math.max(1, files.size))];
    if (ino !== undefined) await disturbFile(world, ino);
    if (oneIn(4)) await bench.store.commit();
    checkTables(world);
    await delay(below(30));
  }
}

async function disturbFile({ bench, files }: World, ino: number): Promise<void> {
  const what = below(5);
  if (what === 0 && files.size > 8) {
    bench.content.releaseRecipe(ino);
    files.delete(ino);
  } else if (what === 1) {
    await bench.content.relocate(ino, oneIn(2) ? FAST : SLOW).catch((error: unknown) => {
      assert.ok((error as NodeJS.ErrnoException).code !== undefined, String(error));
    });
  } else if (what === 4) {
    const [from, to] = oneIn(2) ? [FAST, SLOW] : [SLOW, FAST];
    await bench.content.evacuate(from, to).catch((error: unknown) => {
      assert.ok((error as NodeJS.ErrnoException).code !== undefined, String(error));
    });
  } else if (what === 2) {
    // False alarms: the bytes are good, and yet whoever has them next stores them anew.
    const { lengths } = await bench.content.planFor(ino);
    for (let i = 0; i < 100; i++) bench.content.markBad(ino, below(lengths.length));
  } else {
    await assertPlanReads(bench, ino, files.get(ino)!).catch((error: unknown) => {
      if (files.has(ino)) throw error;
    });
  }
}

async function assertPlanReads(bench: Bench, ino: number, bytes: Buffer): Promise<void> {
  const plan = native.openPlan(await bench.content.planFor(ino));
  try {
    assert.ok((await native.readPlan(plan, 0, bytes.length)).equals(bytes), `inode ${ino}`);
  } finally {
    plan.close();
  }
}

function checkTables({ bench, durable }: World): void {
  const references = new Map<string, number>();
  for (const { value } of bench.store.table('segments').range(Buffer.alloc(0))) {
    const segment = decodeSegment(value);
    for (let i = 0; i < segment.lengths.length; i++) {
      if (segment.zero[i]) continue;
      const key = hashKey(nameAt(segment, i));
      references.set(key, (references.get(key) ?? 0) + 1);
    }
  }
  const live = new Map<number, number>();
  const records = new Set<string>();
  let chunks = 0;
  for (const { key, value } of bench.store.table('chunks').range(Buffer.alloc(0))) {
    const { packId, offset, stored, references: counted } = decodeLocation(value);
    assert.equal(counted, references.get(hashKey(key)), 'references of a chunk');
    assert.ok(offset + stored <= (durable.get(packId) ?? Infinity), 'a record without a sync');
    live.set(packId, (live.get(packId) ?? 0) + stored);
    records.add(`${packId} ${offset}`);
    chunks++;
  }
  assert.deepEqual([references.size, records.size], [chunks, chunks]);
  for (const pack of bench.content.packs()) assert.equal(pack.live, live.get(pack.packId) ?? 0);
}

/** Parity that was written while a pack grew, or with its seal, is that of what is in it. */
async function checkParity({ content, tiers }: Bench): Promise<void> {
  let checked = 0;
  for (const { packId, tier, size } of content.packs()) {
    const path = tiers.packPath(tiers.byId(tier)!, packId);
    const parity = parityPathOf(path);
    if (!existsSync(parity)) continue;
    const kept = readFileSync(parity);
    if (Number(kept.readBigUInt64LE(40)) !== size) continue;
    await native.makeParity(path);
    assert.ok(readFileSync(parity).equals(kept), `pack ${packId}`);
    checked++;
  }
  assert.ok(checked > 0, 'no pack has parity');
}

test('whatever happens at once, and whatever fails, no file loses a byte', async (t) => {
  t.diagnostic(`SEED=${seed}`);
  const durable = new Map<number, number>();
  const restoreWriters = failingWriters(t, durable);
  const bench = await createBench({ chunking: CHUNKING });
  const world: World = { bench, files: new Map(), packing: true, durable };
  const others = [reclaim(world), disturb(world), disturb(world)];
  const packers = Array.from({ length: PACKERS }, (_, i) => packFiles(world, 1000 * (i + 1)));
  await Promise.all(packers).finally(() => (world.packing = false));
  await Promise.all(others);
  assert.ok(world.files.size > PACKERS, 'hardly anything was packed');
  restoreWriters();
  checkTables(world);
  await closeBench(bench);
  world.bench = await openBench(bench.directory);
  checkTables(world);
  for (const [ino, bytes] of world.files) await assertReads(world.bench, ino, bytes);
  await checkParity(world.bench);
  for (const ino of world.files.keys()) world.bench.content.releaseRecipe(ino);
  await reclaimAll(world.bench);
  assert.deepEqual(world.bench.content.packs(), []);
  await removeBench(world.bench);
});
