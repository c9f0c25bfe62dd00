/** What happens to chunks and packs while a job relies on them. */
import assert from 'node:assert/strict';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createChunkIndex } from '../../src/content/chunk-index.js';
import { SEGMENT_CHUNKS } from '../../src/content/limits.js';
import { createPackWriters } from '../../src/content/pack-writers.js';
import { Packs } from '../../src/content/packs.js';
import { decodeLocation, hashAt } from '../../src/content/records.js';
import { createSavings } from '../../src/content/savings.js';
import type { Recipe } from '../../src/content/types.js';
import { createUses } from '../../src/content/uses.js';
import { native, type ChunkBatch } from '../../src/native.js';
import {
  assertReads,
  changeWriters,
  createBench,
  packFile,
  randomBytes,
  reclaimAll,
  removeBench,
  SLOW,
  AS_IS,
  type Bench,
} from './fixture.js';

const MIB = 1 << 20;

async function benchFor(t: TestContext): Promise<Bench> {
  const bench = await createBench();
  t.after(() => removeBench(bench));
  return bench;
}

/** One batch, of some zeros and these bytes. */
async function batchOf(bench: Bench, bytes: Buffer, zeros = 0): Promise<ChunkBatch> {
  const path = join(bench.directory, 'batch');
  writeFileSync(path, bytes);
  truncateSync(path, bytes.length + zeros);
  const file = await open(path, 'r');
  const { min, average, max } = bench.volume.chunking;
  const reader = native.createChunkReader(file.fd, min, average, max, 64 * MIB);
  const batch = await reader.next();
  reader.close();
  await file.close();
  rmSync(path);
  return batch!;
}

/** What the pack writers that are made from now on do takes so long, and what of a pack they have synced. */
function slowWriters(t: TestContext) {
  const slow = { appendMs: 0, syncMs: 0, durable: 0 };
  changeWriters(t, (writer) => {
    const { append, sync } = writer;
    writer.append = async (chunks) => {
      await delay(slow.appendMs);
      return append(chunks);
    };
    writer.sync = async () => {
      const { size } = writer;
      await sync();
      await delay(slow.syncMs);
      slow.durable = size;
    };
  });
  return slow;
}

/**
 * A job with `chunk` at its beginning, found in the index, and once more when that is damaged: the second one is
 * claimed before the segment of the first one, which runs of zeros fill, is written.
 */
async function packTwice(bench: Bench, chunk: Buffer, whenFull: () => void): Promise<Recipe> {
  const { recipe } = await packFile(bench, 10, chunk);
  const job = bench.content.startPacking(20, SLOW, AS_IS);
  await job.add(await batchOf(bench, chunk));
  await job.add(await batchOf(bench, randomBytes(3, 15_000)));
  const zeros = SEGMENT_CHUNKS * bench.volume.chunking.max;
  const each = 32 * MIB;
  for (let left = zeros - each; left > 0; left -= each) {
    await job.add(await batchOf(bench, Buffer.alloc(0), each));
  }
  const [last, again] = [await batchOf(bench, Buffer.alloc(0), each), await batchOf(bench, chunk)];
  whenFull();
  const added = [job.add(last)];
  bench.content.markBadName(hashAt(recipe.hashes, 0));
  added.push(job.add(again));
  await Promise.all(added);
  const packed = await job.finish();
  bench.content.commitRecipe(packed.recipe);
  await bench.store.commit();
  return packed.recipe;
}

test('a chunk that went bad while a file that has it twice is packed is stored anew, once', async (t) => {
  const slow = slowWriters(t);
  const bench = await benchFor(t);
  const chunk = randomBytes(1, 15_000);
  await packTwice(bench, chunk, () => (slow.appendMs = 300));
  await assertReads(bench, 10, chunk);
  bench.content.releaseRecipe(10);
  bench.content.releaseRecipe(20);
  await reclaimAll(bench);
  assert.deepEqual(bench.content.packs(), []);
  // Nobody may still take the chunk for stored.
  await packFile(bench, 30, chunk);
  await assertReads(bench, 30, chunk);
  assert.deepEqual(bench.complaints, []);
});

test('the index names only what a sync confirmed', async (t) => {
  const slow = slowWriters(t);
  const bench = await benchFor(t);
  const { hashes } = await packTwice(bench, randomBytes(2, 15_000), () => (slow.syncMs = 300));
  const value = bench.store.table('chunks').get(hashAt(hashes, 0))!;
  const { offset, stored, bad } = decodeLocation(value);
  assert.ok(!bad && offset + stored <= slow.durable, `${offset + stored} > ${slow.durable}`);
});

test('what is appended after a failed copy is synced, whatever was synced beside it', async (t) => {
  const slow = slowWriters(t);
  const bench = await benchFor(t);
  const tier = bench.tiers.byId(SLOW)!;
  const packs = new Packs(bench.store, bench.tiers);
  const { store, tiers } = bench;
  const log = { info() {}, warn() {}, error() {} };
  const writers = createPackWriters({
    store,
    tiers,
    packs,
    volumeId: Buffer.from(bench.volume.id, 'hex'),
    log,
  });
  const use = createUses().begin();
  const source = await writers.append(
    tier,
    await batchOf(bench, randomBytes(4, 24 * MIB)),
    Uint32Array.from({ length: 200 }, (_, i) => i),
    AS_IS,
    use,
  );
  await writers.seal(source.packId);
  // The last record is not where it is said to be.
  const offsets = Float64Array.from(source.offsets);
  offsets[offsets.length - 1] += 1;
  native.setBackgroundRate(32 * MIB);
  t.after(() => native.setBackgroundRate(Infinity));
  const small = await batchOf(bench, randomBytes(5, 15_000));
  const one = Uint32Array.of(0);
  const { packId } = await writers.append(tier, small, one, AS_IS, use);
  const copy = writers.copy(
    tier,
    { path: packs.path(source.packId), packId: source.packId },
    offsets,
    Uint32Array.from(source.stored),
    use,
  );
  await delay(300);
  await writers.sync([packId]);
  await assert.rejects(copy, { code: 'EBADMSG' });
  const {
    offsets: [at],
    stored: [length],
  } = await writers.append(tier, small, one, AS_IS, use);
  await writers.sync([packId]);
  assert.equal(slow.durable, at + length);
  small.release();
});

test('a bad mark stays where two jobs rely on one record', async (t) => {
  const bench = await benchFor(t);
  const packs = new Packs(bench.store, bench.tiers);
  const index = createChunkIndex(bench.store, packs, createSavings(bench.store));
  const { packId } = packs.create(bench.tiers.byId(SLOW)!);
  const place = { packId, offset: 8192, stored: 100, length: 200 };
  const name = randomBytes(6, 32);
  index.refer(name, place);
  index.markBad(name);
  index.refer(name, place);
  const { bad, references } = index.get(name)!;
  assert.deepEqual({ bad, references }, { bad: true, references: 2 });
});
