/** Parity of packs: what one place of a medium loses comes back, and nothing else is ever written. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { native, type ChunkRecords, type PackedPlan } from '../../src/native.js';
import {
  appendFile,
  AS_IS,
  cutFile,
  hydrated,
  noise,
  packData,
  randomFrom,
  storeFile,
  temporaryDirectory,
  testSeed,
  text,
  USUAL,
  VOLUME_ID,
  type Cutting,
  type Random,
} from './content-kit.js';

const BLOCK = 4096;
/** Of packs of less than 16 MiB: so long a place may be lost. */
const STRIPES = 8;
const CHAIN = 512 << 10;

const parityOf = (packPath: string): string => packPath.replace('.pack', '.parity');

interface Sealed {
  directory: string;
  packPath: string;
  plan: PackedPlan;
  records: ChunkRecords;
  data: Buffer;
  /** Bytes of the pack as it was written. */
  bytes: Buffer;
}

async function sealed(t: TestContext, chainBytes: number, random: Random): Promise<Sealed> {
  const directory = temporaryDirectory(t);
  const data = Buffer.concat([text(700_000, random), noise(500_000, random)]);
  const limits = { min: 4 << 10, average: 16 << 10, max: 64 << 10 };
  const packing = { level: 3, chainBytes, limits, seal: true };
  const packed = await packData(directory, data, packing);
  const { packPath, plan } = packed;
  const bytes = readFileSync(packPath);
  return { directory, packPath, plan, records: recordsOf(plan, packed.cut), data, bytes };
}

function recordsOf({ offsets, stored, lengths }: PackedPlan, { hashes }: Cutting): ChunkRecords {
  return { offsets, stored, lengths, hashes: Buffer.from(hashes.join(''), 'hex') };
}

/** How far before a record its chain begins. */
const bytesBefore = ({ bytes, plan }: Sealed, i: number): number =>
  bytes.readUIntLE(plan.offsets[i] + 5, 3);

/** The second record of the first chain. */
const firstChained = (pack: Sealed): number =>
  pack.plan.offsets.findIndex((_, i) => bytesBefore(pack, i) > 0);

/** @returns which records are good then */
async function mend(packPath: string, records: ChunkRecords): Promise<boolean[]> {
  return [...(await native.mendRecords(packPath, 7, VOLUME_ID, records))].map(Boolean);
}

const mendAll = ({ packPath, records }: Sealed): Promise<boolean[]> => mend(packPath, records);

/** Other bytes in `[from, to)`. */
function damaged(bytes: Buffer, from: number, to: number, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = from; i < to; i++) copy[i] ^= 1 + (random() % 255);
  return copy;
}

for (const chainBytes of [0, CHAIN]) {
  test(`whatever one place of a pack loses comes back, chains of ${chainBytes}`, async (t) => {
    const random = randomFrom(testSeed(t));
    const pack = await sealed(t, chainBytes, random);
    const [first, last] = [pack.plan.offsets[0], pack.plan.offsets.at(-1)!];
    const end = last + pack.plan.stored.at(-1)!;
    for (let round = 0; round < 60; round++) {
      // So that it touches no more blocks than there are stripes.
      const length = 1 + (random() % ((STRIPES - 1) * BLOCK));
      const from = first + (random() % (end - first));
      writeFileSync(pack.packPath, damaged(pack.bytes, from, Math.min(end, from + length), random));
      assert.deepEqual(new Set(await mendAll(pack)), new Set([true]), `${length} at ${from}`);
      assert.ok(readFileSync(pack.packPath).equals(pack.bytes), `${length} at ${from}`);
    }
    assert.ok((await hydrated(pack.directory, pack.plan)).equals(pack.data));
  });
}

test('a record is good only where those before it in its chain are', async (t) => {
  const random = randomFrom(testSeed(t));
  const pack = await sealed(t, CHAIN, random);
  const { offsets } = pack.plan;
  const chained = firstChained(pack);
  const [lost, last] = [chained - 1, offsets.length - 1];
  assert.deepEqual(
    [lost, last].map((i) => bytesBefore(pack, i)),
    [0, 0],
  );
  // The same stripe once more, in the last record, which is in no chain.
  const at = offsets[lost] + 100;
  const period = STRIPES * BLOCK;
  const other = at + Math.ceil((offsets[last] + 64 - at) / period) * period;
  const once = damaged(pack.bytes, at, at + 10, random);
  writeFileSync(pack.packPath, damaged(once, other, other + 10, random));
  const found = readFileSync(pack.packPath);
  const good = await mendAll(pack);
  assert.deepEqual([good[lost], good[chained], good[last]], [false, false, false]);
  assert.ok(readFileSync(pack.packPath).equals(found), 'nothing is written that is not certain');
});

test('two places mend where they share no stripe', async (t) => {
  const random = randomFrom(testSeed(t));
  const pack = await sealed(t, 0, random);
  const at = (block: number): number => block * BLOCK + 1000;
  const once = damaged(pack.bytes, at(20), at(20) + 500, random);
  writeFileSync(pack.packPath, damaged(once, at(57), at(57) + 500, random));
  await mendAll(pack);
  assert.ok(readFileSync(pack.packPath).equals(pack.bytes));
});

test('parity that is made from the pack is the one that its writer made', async (t) => {
  const random = randomFrom(testSeed(t));
  const directory = temporaryDirectory(t);
  for (const length of [10_000, 3_000_000, 20_000_000]) {
    const packing = { limits: USUAL, seal: true, name: `p${length}` };
    const { packPath } = await packData(directory, noise(length, random), packing);
    const written = readFileSync(parityOf(packPath));
    const blocks = Math.ceil(statSync(packPath).size / BLOCK);
    assert.ok(written.length <= BLOCK * (1 + Math.max(STRIPES, blocks / 256)));
    renameSync(parityOf(packPath), join(directory, 'written'));
    await native.makeParity(packPath);
    assert.ok(readFileSync(parityOf(packPath)).equals(written));
  }
});

test('what was copied and taken back is not in the parity', async (t) => {
  const random = randomFrom(testSeed(t));
  const directory = temporaryDirectory(t);
  const source = await packData(directory, noise(12_000_000, random), { limits: USUAL });
  const bytes = readFileSync(source.packPath);
  const { offsets, stored } = source.plan;
  writeFileSync(
    source.packPath,
    damaged(bytes, offsets.at(-1)! + 99, offsets.at(-1)! + 100, random),
  );
  const packPath = join(directory, 'copy.pack');
  const writer = native.createPackWriter(packPath, 8, VOLUME_ID);
  await assert.rejects(writer.copyRecords(source.packPath, 7, offsets, stored), {
    code: 'EBADMSG',
  });
  writeFileSync(source.packPath, bytes);
  await writer.copyRecords(source.packPath, 7, offsets.subarray(1), stored.subarray(1));
  await writer.seal();
  writer.close();
  const kept = existsSync(parityOf(packPath)) && readFileSync(parityOf(packPath));
  await native.makeParity(packPath);
  assert.ok(kept === false || readFileSync(parityOf(packPath)).equals(kept));
});

test('an open pack is mended as far as its parity goes, and goes on', async (t) => {
  const random = randomFrom(testSeed(t));
  const directory = temporaryDirectory(t);
  const packPath = join(directory, 'open.pack');
  const writer = native.createPackWriter(packPath, 7, VOLUME_ID);
  const add = async (name: string, length: number): Promise<ChunkRecords> => {
    const cut = await cutFile(storeFile(directory, name, noise(length, random)), USUAL);
    const plan = await appendFile(writer, packPath, cut, AS_IS);
    for (const batch of cut.batches) batch.release();
    return recordsOf(plan, cut);
  };
  const first = await add('first', 300_000);
  await writer.writeParity();
  const second = await add('second', 300_000);
  const bytes = readFileSync(packPath);
  const place = ({ offsets }: ChunkRecords): [number, number] => [
    offsets[0] + 500,
    offsets[0] + 600,
  ];
  const lost = damaged(damaged(bytes, ...place(first), random), ...place(second), random);
  writeFileSync(packPath, lost, { flag: 'r+' });
  assert.ok((await mend(packPath, first)).every(Boolean));
  assert.equal((await mend(packPath, second)).indexOf(false), 0);
  writeFileSync(packPath, bytes, { flag: 'r+' });
  await writer.seal();
  writer.close();
  writeFileSync(packPath, lost, { flag: 'r+' });
  assert.ok((await mend(packPath, first)).every(Boolean));
  assert.ok((await mend(packPath, second)).every(Boolean));
  assert.ok(readFileSync(packPath).subarray(0, bytes.length).equals(bytes));
});

test('parity that is damaged, of another pack or not there is refused, and nothing is written', async (t) => {
  const random = randomFrom(testSeed(t));
  const pack = await sealed(t, 0, random);
  const whole = readFileSync(parityOf(pack.packPath));
  const other = await packData(pack.directory, noise(300_000, random), {
    packId: 8,
    name: 'other',
    seal: true,
  });
  const lost = damaged(pack.bytes, 9000, 9100, random);
  writeFileSync(pack.packPath, lost);
  for (let at = 0; at < whole.length; at += 1 + (random() % 500)) {
    // What lies between the fields and the stripes says nothing, but is as it is.
    writeFileSync(parityOf(pack.packPath), damaged(whole, at, at + 1, random));
    await assert.rejects(mendAll(pack), { code: 'EBADMSG' });
  }
  writeFileSync(parityOf(pack.packPath), whole.subarray(0, whole.length - 1));
  await assert.rejects(mendAll(pack), { code: 'EBADMSG' });
  copyFileSync(parityOf(other.packPath), parityOf(pack.packPath));
  await assert.rejects(mendAll(pack), { code: 'EBADMSG' });
  renameSync(parityOf(pack.packPath), join(pack.directory, 'elsewhere'));
  await assert.rejects(mendAll(pack), { code: 'ENOENT' });
  assert.ok(readFileSync(pack.packPath).equals(lost));
});

test("a pack that lies in another one's place is not touched", async (t) => {
  const random = randomFrom(testSeed(t));
  const pack = await sealed(t, 0, random);
  writeFileSync(pack.packPath, damaged(pack.bytes, 9000, 9100, random));
  const found = readFileSync(pack.packPath);
  const other = Buffer.alloc(16, 1);
  for (const [packId, volumeId] of [
    [8, VOLUME_ID],
    [7, other],
  ] as const) {
    const mending = native.mendRecords(pack.packPath, packId, volumeId, pack.records);
    await assert.rejects(mending, { code: 'EBADMSG' });
  }
  assert.ok(readFileSync(pack.packPath).equals(found));
});

test('a header that is lost in a chain is mended, for those behind it too', async (t) => {
  const random = randomFrom(testSeed(t));
  const pack = await sealed(t, CHAIN, random);
  const { offsets } = pack.plan;
  const chained = firstChained(pack);
  const only = (i: number): ChunkRecords => ({
    offsets: offsets.subarray(i, i + 1),
    stored: pack.plan.stored.subarray(i, i + 1),
    lengths: pack.plan.lengths.subarray(i, i + 1),
    hashes: pack.records.hashes.subarray(32 * i, 32 * i + 32),
  });
  const head = offsets[chained - 1];
  writeFileSync(pack.packPath, damaged(pack.bytes, head, head + 64, random));
  assert.deepEqual(await mend(pack.packPath, only(chained)), [true]);
  assert.ok(readFileSync(pack.packPath).equals(pack.bytes));
});

test('what decodes to other bytes than its chunk is not good, whatever its checksums say', async (t) => {
  const pack = await sealed(t, 0, randomFrom(testSeed(t)));
  const hashes = Buffer.from(pack.records.hashes);
  hashes[5] ^= 1;
  const good = await mend(pack.packPath, { ...pack.records, hashes });
  assert.equal(good.indexOf(false), 0);
  assert.equal(good.lastIndexOf(false), 0);
});

test('places that are no records are not good', async (t) => {
  const pack = await sealed(t, 0, randomFrom(testSeed(t)));
  const { length } = pack.bytes;
  const records = {
    offsets: Float64Array.from([0, pack.plan.offsets[0] + 1, length - 10, length, 2 ** 52]),
    stored: Uint32Array.from([8192, pack.plan.stored[0], 64, 64, 2 ** 32 - 1]),
    lengths: Uint32Array.from([8192, 100, 100, 0, 2 ** 32 - 1]),
    hashes: Buffer.alloc(5 * 32),
  };
  assert.deepEqual(await mend(pack.packPath, records), [false, false, false, false, false]);
  assert.ok(readFileSync(pack.packPath).equals(pack.bytes));
});

test('a pack that is sealed anew loses the parity of what it was', async (t) => {
  const pack = await sealed(t, 0, randomFrom(testSeed(t)));
  const end = pack.plan.offsets.at(-1)! + pack.plan.stored.at(-1)!;
  writeFileSync(pack.packPath, pack.bytes.subarray(0, end));
  await native.repairPack(pack.packPath, end);
  assert.ok(!existsSync(parityOf(pack.packPath)));
});
