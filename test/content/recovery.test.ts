import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { parityPathOf } from '../../src/content/packs.js';
import { native } from '../../src/native.js';
import { text } from '../native/content-kit.js';
import { randomFrom } from '../seed.js';
import {
  assertReads,
  closeBench,
  createBench,
  openBench,
  packBytes,
  packFile,
  randomBytes,
  readBack,
  reclaimAll,
  removeBench,
  SLOW,
  writeParity,
  type Bench,
} from './fixture.js';

const MIB = 1 << 20;
const first = randomBytes(1, 4 * MIB);
const second = randomBytes(2, 4 * MIB);
let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => removeBench(bench));

/** Ends the store without sealing packs, as a crash after a commit does. */
async function crash(): Promise<void> {
  await bench.store.close();
}

async function restart(): Promise<void> {
  bench = await openBench(bench.directory);
}

function pathOf(packId: number): string {
  return bench.tiers.packPath(bench.tiers.byId(SLOW)!, packId);
}

function onlyPack(): { packId: number; size: number; live: number; sealed: boolean } {
  const packs = bench.content.packs();
  assert.equal(packs.length, 1);
  return packs[0];
}

test('a torn tail behind what was committed is cut off, and the file reads back', async () => {
  await packFile(bench, 10, first);
  const { packId, live } = onlyPack();
  const path = pathOf(packId);
  await crash();
  appendFileSync(path, randomBytes(3, 100_000));
  await restart();
  assert.deepEqual(bench.complaints, []);
  assert.ok(onlyPack().sealed);
  assert.ok(onlyPack().size < live + 50_000);
  await assertReads(bench, 10, first);
});

test('an open pack that lost committed data is reported and not cut; the rest of it reads', async () => {
  await packFile(bench, 10, first);
  await packFile(bench, 11, second);
  const { packId, size } = onlyPack();
  const path = pathOf(packId);
  await crash();
  truncateSync(path, size - 100_000);
  await restart();
  assert.match(bench.complaints.join(), /lost data that the medium had confirmed/);
  assert.equal(statSync(path).size, size - 100_000);
  await assertReads(bench, 10, first);
  // Storing the content once more heals it.
  await packFile(bench, 12, second);
  await assertReads(bench, 11, second);
});

/** Two packs of one chunk each, equally long, so that a record of one lies where the other's does. */
async function packTwins(): Promise<[string, string]> {
  await packFile(bench, 10, first.subarray(0, 10_000));
  await closeBench(bench);
  await restart();
  await packFile(bench, 11, second.subarray(0, 10_000));
  const [one, two] = bench.content.packs().map(({ packId }) => pathOf(packId));
  return [one, two];
}

function swapFiles(one: string, two: string): void {
  renameSync(one, `${one}.away`);
  renameSync(two, one);
  renameSync(`${one}.away`, two);
}

for (const end of [closeBench, crash]) {
  test(`two packs in each other's place: no wrong data, no other pack removed (${end.name})`, async () => {
    const [one, two] = await packTwins();
    await end(bench);
    swapFiles(one, two);
    await restart();
    for (const ino of [10, 11]) await assert.rejects(readBack(bench, ino), { code: 'EIO' });
    // The pack that nothing needs any more is not the one that lies there.
    bench.content.releaseRecipe(10);
    await reclaimAll(bench);
    assert.ok(existsSync(one));
    await closeBench(bench);
    swapFiles(one, two);
    await restart();
    await assertReads(bench, 11, second.subarray(0, 10_000));
  });
}

test('what follows a record in its chain that can not be read at a start is kept', async () => {
  const bytes = text(400_000, randomFrom(1));
  await packFile(bench, 10, bytes, { level: 6, chainBytes: 512 << 10 });
  const { offsets, stored } = await bench.content.planFor(10);
  const path = pathOf(onlyPack().packId);
  await crash();
  const flip = async (): Promise<void> => {
    const file = await open(path, 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, offsets[1] + 70);
    byte[0] ^= 1;
    await file.write(byte, 0, 1, offsets[1] + 70);
    await file.close();
  };
  await flip();
  await restart();
  const last = offsets.length - 1;
  assert.equal(bench.complaints.filter((line) => line.includes('damaged')).length, last);
  assert.ok(statSync(path).size >= offsets[last] + stored[last], 'records are gone');
  await flip();
  const plan = native.openPlan(await bench.content.planFor(10));
  assert.deepEqual([...(await native.checkPlan(plan)).bad], []);
  plan.close();
});

for (const [what, at] of Object.entries({ payload: 100, header: 4 })) {
  test(`what the medium lost of an open pack is mended before it is sealed: a ${what}`, async () => {
    const bytes = text(400_000, randomFrom(1));
    await packFile(bench, 10, bytes, { level: 6, chainBytes: 512 << 10 });
    await writeParity(bench);
    await packFile(bench, 11, second);
    const { offsets } = await bench.content.planFor(10);
    const { packId } = onlyPack();
    await crash();
    const file = await open(pathOf(packId), 'r+');
    await file.write('damage', offsets[1] + at);
    await file.close();
    await restart();
    assert.equal(bench.content.damage().badChunks, 0);
    await assertReads(bench, 10, bytes);
    await assertReads(bench, 11, second);
    assert.deepEqual((await native.scanPack(pathOf(packId), true)).bad, new Uint32Array(0));
    assert.ok(onlyPack().sealed);
  });
}

test('a chunk that scrub found bad is no dedup hit: storing it again heals every file', async () => {
  await packFile(bench, 10, first);
  await packFile(bench, 11, first);
  const plan = await bench.content.planFor(10);
  const file = await open(plan.packPaths[0], 'r+');
  await file.write(Buffer.from('damage'), 0, 6, plan.offsets[5] + 200);
  await file.close();
  const handle = native.openPlan(plan);
  const { bad } = await native.checkPlan(handle);
  handle.close();
  assert.deepEqual([...bad], [5]);
  bench.content.markBad(10, 5);
  const { newBytes } = await packFile(bench, 12, first);
  assert.equal(newBytes, plan.stored[5]);
  for (const ino of [10, 11, 12]) await assertReads(bench, ino, first);
  const { sharedBytes, storedBytes } = await bench.content.summary(10);
  assert.equal(sharedBytes, storedBytes, 'the other files name the healed chunk as well');
});

test('a pack whose file is not there fails with EIO, heals by new data, and works when it is back', async () => {
  await packFile(bench, 10, first);
  const path = pathOf(onlyPack().packId);
  await closeBench(bench);
  renameSync(path, `${path}.away`);
  await restart();
  assert.match(bench.complaints.join(), /a pack is lost/);
  await assert.rejects(bench.content.planFor(10), { code: 'EIO' });
  await closeBench(bench);
  renameSync(`${path}.away`, path);
  await restart();
  await assertReads(bench, 10, first);
  await closeBench(bench);
  rmSync(path);
  await restart();
  await packFile(bench, 11, first);
  await assertReads(bench, 10, first);
});

test('a disk that goes away while the pack of a crash is looked at has damaged no chunk', async () => {
  await packFile(bench, 10, first);
  const hdd = bench.tiers.byId(SLOW)!.path;
  await crash();
  const border = native as { scanPack: typeof native.scanPack };
  const { scanPack } = border;
  border.scanPack = async (path, deep) => {
    const scan = await scanPack(path, deep);
    renameSync(hdd, `${hdd}.away`);
    return { ...scan, bad: Uint32Array.from({ length: scan.count }, (_, i) => i) };
  };
  await restart().finally(() => (border.scanPack = scanPack));
  assert.match(bench.complaints.join(), /an open pack could not be sealed/);
  assert.equal(bench.content.damage().badChunks, 0);
  renameSync(`${hdd}.away`, hdd);
  await bench.tiers.refresh();
  await assertReads(bench, 10, first);
});

test('a pack that an older namespace does not know heals it, and is never removed', async () => {
  await packFile(bench, 10, first);
  const { packId } = onlyPack();
  const namespace = `${bench.directory}/volume/namespace/data.mdb`;
  await closeBench(bench);
  copyFileSync(namespace, `${bench.directory}/older.mdb`);
  await restart();
  // Compaction moves the file's chunks to another pack and removes the one that the copy knows.
  await packFile(bench, 11, second);
  bench.content.markBad(10, 0);
  await packFile(bench, 12, first);
  const moved = bench.content.packs().find((pack) => pack.packId !== packId)!;
  await closeBench(bench);
  copyFileSync(`${bench.directory}/older.mdb`, namespace);
  rmSync(`${bench.directory}/volume/namespace/lock.mdb`, { force: true });
  await restart();
  assert.match(bench.complaints.join(), /was taken in/);
  await assertReads(bench, 10, first);
  bench.content.releaseRecipe(10);
  await reclaimAll(bench);
  assert.ok(existsSync(pathOf(moved.packId)));
  await packFile(bench, 13, second);
  assert.ok(bench.content.packs().every((pack) => pack.packId > moved.packId || !pack.live));
});

test('what is damaged in a pack that is taken in heals nothing', async () => {
  await packFile(bench, 10, first);
  const known = pathOf(onlyPack().packId);
  const namespace = `${bench.directory}/volume/namespace/data.mdb`;
  await closeBench(bench);
  copyFileSync(namespace, `${bench.directory}/older.mdb`);
  renameSync(known, `${bench.directory}/away`);
  await restart();
  // The lost chunks are stored anew, in a pack that the copy does not know.
  await packFile(bench, 11, first);
  const { offsets, packPaths } = await bench.content.planFor(11);
  await closeBench(bench);
  copyFileSync(`${bench.directory}/older.mdb`, namespace);
  rmSync(`${bench.directory}/volume/namespace/lock.mdb`, { force: true });
  rmSync(parityPathOf(packPaths[0]));
  const file = await open(packPaths[0], 'r+');
  await file.write('damage', offsets[3] + 100);
  await file.close();
  await restart();
  assert.match(bench.complaints.join(), /was taken in/);
  await assert.rejects(readBack(bench, 10), { code: 'EIO' });
  assert.equal((await packFile(bench, 12, first)).newBytes > 0, true, 'it is stored anew');
  await assertReads(bench, 10, first);
});

test('of packs that nobody knows, those with numbers far beyond the next are left alone, and packing goes on', async () => {
  await packFile(bench, 10, first);
  const farthest = onlyPack().packId + 1 + 2 ** 20;
  const found = [farthest, farthest + 1, 2 ** 32 - 2];
  const volumeId = Buffer.from(bench.volume.id, 'hex');
  for (const packId of found) native.createPackWriter(pathOf(packId), packId, volumeId).close();
  await closeBench(bench);
  await restart();
  assert.equal(bench.complaints.filter((text) => text.includes('was taken in')).length, 1);
  assert.equal(bench.complaints.filter((text) => text.includes('far beyond the next')).length, 2);
  await packFile(bench, 11, second);
  const { packId } = bench.content.packs().find(({ sealed }) => !sealed)!;
  assert.equal(packId, farthest + 2, 'a number whose file is there is not taken');
  await reclaimAll(bench);
  assert.ok(found.every((number) => existsSync(pathOf(number))));
  await assertReads(bench, 11, second);
});

test('a file among the packs that is not ours is left alone, and its name is not taken', async () => {
  const foreign = pathOf(1);
  writeFileSync(foreign, 'not a pack');
  await closeBench(bench);
  await restart();
  assert.match(bench.complaints.join(), /left alone/);
  await packFile(bench, 10, first);
  assert.ok(onlyPack().packId > 1);
  await reclaimAll(bench);
  assert.ok(existsSync(foreign));
});

test('a FIFO among the packs, or in place of one, keeps nothing from going on', async () => {
  await packFile(bench, 10, first);
  const known = pathOf(onlyPack().packId);
  await closeBench(bench);
  execFileSync('mkfifo', [pathOf(7)]);
  await restart();
  assert.match(bench.complaints.splice(0).join(), /left alone/);
  await assertReads(bench, 10, first);
  await closeBench(bench);
  renameSync(known, `${known}.away`);
  execFileSync('mkfifo', [known]);
  await restart();
  await assert.rejects(readBack(bench, 10), { code: 'EIO' });
  await bench.content.reclaimAll();
  rmSync(known);
  renameSync(`${known}.away`, known);
  await assertReads(bench, 10, first);
});

test('a start after a crash in the middle of a removal ends it', async () => {
  await packFile(bench, 10, first);
  const { packId } = onlyPack();
  await closeBench(bench);
  await restart();
  const path = pathOf(packId);
  copyFileSync(path, `${path}.copy`);
  bench.content.releaseRecipe(10);
  await reclaimAll(bench);
  await closeBench(bench);
  renameSync(`${path}.copy`, path);
  await restart();
  assert.equal(packBytes(bench) > 0, true, 'unknown, so it was taken in and kept');
  assert.ok(existsSync(path));
});
