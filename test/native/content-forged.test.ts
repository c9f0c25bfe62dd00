import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native, type PackedPlan } from '../../src/native.js';
import { forgeRecord, packSeed } from '../content/pack-bytes.js';
import {
  FIRST_RECORD,
  noise,
  packData,
  randomFrom,
  temporaryDirectory,
  testSeed,
  VOLUME_ID,
} from './content-kit.js';

const PACK_SEED = packSeed(VOLUME_ID, 7);

function planOfOne(packPath: string, length: number, stored: number): PackedPlan {
  return {
    size: length,
    lengths: Uint32Array.of(length),
    packs: Int32Array.of(0),
    offsets: Float64Array.of(FIRST_RECORD),
    stored: Uint32Array.of(stored),
    packPaths: [packPath],
    packIds: [7],
    volumeId: VOLUME_ID,
  };
}

/** What a plan of one chunk reads from these bytes, or the error's code. */
async function readOne(directory: string, bytes: Buffer, length: number, stored: number) {
  const path = join(directory, `forged-${forged++}.pack`);
  writeFileSync(path, bytes);
  const plan = native.openPlan(planOfOne(path, length, stored));
  try {
    return await native.readPlan(plan, 0, length);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    plan.close();
    rmSync(path);
  }
}
let forged = 0;

async function emptyPack(directory: string): Promise<Buffer> {
  return readFileSync((await packData(directory, Buffer.alloc(1))).packPath);
}

test('the forger of these tests knows the format: a right record is read', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(500, randomFrom(testSeed(t)));
  const record = forgeRecord(
    PACK_SEED,
    { codec: 0, planes: 0, length: data.length, payloadLength: data.length },
    data,
  );
  const bytes = Buffer.concat([await emptyPack(directory), record]);
  assert.deepEqual(await readOne(directory, bytes, data.length, record.length), data);
});

test('forged records with right checksums and hostile lengths crash nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const header = await emptyPack(directory);
  const sizes = [0, 1, 63, 64, 65, 1 << 16, 4 << 20, (4 << 20) + 1, 0x7fffffff, 0xffffffff];
  const pick = () => sizes[random() % sizes.length];
  for (let round = 0; round < 300; round++) {
    const payload = noise(1 + (random() % 300), random);
    // A zstd frame's magic, so that the decoder gets to see the rest.
    if (random() % 2 === 0) Buffer.from('28b52ffd', 'hex').copy(payload);
    const length = pick();
    const payloadLength = random() % 3 === 0 ? pick() : payload.length;
    const [codec, planes] = [random() % 3, random() % 5];
    const record = forgeRecord(PACK_SEED, { codec, planes, length, payloadLength }, payload);
    const bytes = Buffer.concat([header, record]);
    const path = join(directory, 'scanned.pack');
    writeFileSync(path, bytes);
    const scan = await native.scanPack(path, true);
    // None of them is the chunk that its SHA-256 says: at most it is listed as bad.
    assert.equal(scan.bad.length, scan.count);
    assert.ok(scan.validLength <= scan.fileLength);
    const wanted = Math.min(Math.max(length, 1), 4 << 20);
    const read = await readOne(directory, bytes, wanted, record.length);
    assert.ok(read === 'EIO' || (read instanceof Buffer && read.length === length), `${read}`);
  }
});
