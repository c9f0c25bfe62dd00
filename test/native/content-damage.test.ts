import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native, type PackScan } from '../../src/native.js';
import {
  FIRST_RECORD,
  noise,
  packData,
  planOver,
  randomFrom,
  RECORD_HEADER,
  temporaryDirectory,
  testSeed,
  text,
  type Packed,
  type Random,
} from './content-kit.js';

function mixedData(random: Random): Buffer {
  return Buffer.concat([text(3_000, random), Buffer.alloc(5_000), noise(2_000, random)]);
}

/** The plan over changed bytes gives the file, or EIO: never other bytes. */
async function assertNeverWrong(directory: string, packed: Packed, bytes: Buffer, data: Buffer) {
  const path = join(directory, `changed-${changed++}.pack`);
  writeFileSync(path, bytes);
  const handle = native.openPlan(planOver(packed.plan, path));
  try {
    const got = await native.readPlan(handle, 0, data.length);
    assert.ok(got.equals(data), 'wrong data');
    return true;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EIO');
    return false;
  } finally {
    handle.close();
    rmSync(path);
  }
}
let changed = 0;

/** Scans changed bytes; whatever it lists as good is good. */
async function scanOf(directory: string, bytes: Buffer, deep = true): Promise<PackScan | string> {
  const path = join(directory, 'scanned.pack');
  writeFileSync(path, bytes);
  try {
    return await native.scanPack(path, deep);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    assert.ok(code === 'EBADMSG' || code === 'EPROTONOSUPPORT', String(error));
    return code;
  }
}

test('any flipped bit in records is found: the file as it was, or EIO', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = mixedData(random);
  const packed = await packData(directory, data, { level: 3, seal: true });
  const good = readFileSync(packed.packPath);
  const last = packed.plan.packs.length - 1;
  const end = packed.plan.offsets[last] + packed.plan.stored[last];
  for (let byte = FIRST_RECORD; byte < end; byte++) {
    const bytes = Buffer.from(good);
    bytes[byte] ^= 1 << (random() % 8);
    assert.equal(await assertNeverWrong(directory, packed, bytes, data), false, `byte ${byte}`);
  }
});

test('a flipped bit in header, index or footer costs no data', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = mixedData(random);
  const packed = await packData(directory, data, { level: 3, seal: true });
  const good = readFileSync(packed.packPath);
  const count = packed.plan.packs.filter((pack) => pack >= 0).length;
  const tail = count * 48 + 64;
  const places = [...Array(64).keys()].flatMap((i) => [i, 4096 + i]);
  for (let i = 1; i <= tail; i++) places.push(good.length - i);
  for (const byte of places) {
    const bytes = Buffer.from(good);
    bytes[byte] ^= 1 << (random() % 8);
    assert.equal(await assertNeverWrong(directory, packed, bytes, data), true, `byte ${byte}`);
    const scan = await scanOf(directory, bytes);
    assert.ok(typeof scan !== 'string', `byte ${byte}: ${String(scan)}`);
    assert.equal(scan.count, count, `byte ${byte}`);
    assert.deepEqual([...scan.bad], [], `byte ${byte}`);
  }
});

test('a lost header block is made good by its copy, and both by the footer', async (t) => {
  const directory = temporaryDirectory(t);
  const data = mixedData(randomFrom(testSeed(t)));
  for (const seal of [false, true]) {
    const packed = await packData(directory, data, { seal, name: `h${seal}` });
    const bytes = readFileSync(packed.packPath);
    bytes.fill(0xff, 0, 4096);
    assert.equal(await assertNeverWrong(directory, packed, bytes, data), true);
    bytes.fill(0xff, 4096, 8192);
    assert.equal(await assertNeverWrong(directory, packed, bytes, data), seal);
    // Never taken for an empty pack, which would be cut to nothing.
    const scan = await scanOf(directory, bytes);
    assert.equal(typeof scan === 'string' ? scan : scan.count, seal ? count(packed) : 'EBADMSG');
  }
});

function count(packed: Packed): number {
  return packed.plan.packs.filter((pack) => pack >= 0).length;
}

test('a crash while appending loses only the unfinished record, wherever it was cut', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(3_000, randomFrom(testSeed(t)));
  const packed = await packData(directory, data);
  const good = readFileSync(packed.packPath);
  const last = packed.plan.packs.length - 1;
  const from = packed.plan.offsets[last];
  assert.ok(last > 0);
  for (let length = from; length < good.length; length++) {
    for (const rest of [Buffer.alloc(0), Buffer.alloc(good.length - length)]) {
      const torn = Buffer.concat([good.subarray(0, length), rest]);
      const scan = await scanOf(directory, torn, false);
      assert.ok(typeof scan !== 'string');
      if (rest.length > 0 && scan.count === last + 1) continue; // The cut off bytes were zeros.
      assert.equal(scan.count, last, `cut at ${length}`);
      assert.equal(scan.validLength, from, `cut at ${length}`);
      assert.deepEqual([...scan.bad], []);
    }
  }
});

test('a crash at any byte of a repair costs nothing: it is repeated', async (t) => {
  const directory = temporaryDirectory(t);
  const packed = await packData(directory, noise(4_000, randomFrom(testSeed(t))));
  const good = readFileSync(packed.packPath);
  const path = join(directory, 'torn.pack');
  writeFileSync(path, Buffer.concat([good, Buffer.from('half a record')]));
  const before = await native.scanPack(path, false);
  assert.equal(before.validLength, good.length);
  const length = await native.repairPack(path, before.validLength);
  const sealed = readFileSync(path);
  assert.equal(sealed.length, length);
  const after = await native.scanPack(path, true);
  assert.equal(after.sealed, true);
  assert.deepEqual(after.offsets, packed.plan.offsets);
  assert.equal(await native.repairPack(path, after.validLength), length);
  for (let cut = good.length; cut < sealed.length; cut++) {
    writeFileSync(path, sealed.subarray(0, cut));
    const scan = await native.scanPack(path, false);
    assert.equal(scan.validLength, good.length);
    assert.equal(await native.repairPack(path, scan.validLength), length);
    assert.ok(readFileSync(path).equals(sealed));
  }
});

test('a repair that finds less than the scan before it changes nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const packed = await packData(directory, noise(9_000, randomFrom(testSeed(t))));
  const { validLength } = await native.scanPack(packed.packPath, false);
  const { offsets } = packed.plan;
  const bytes = readFileSync(packed.packPath);
  bytes[offsets[offsets.length - 1] + RECORD_HEADER] ^= 1;
  writeFileSync(packed.packPath, bytes);
  await assert.rejects(native.repairPack(packed.packPath, validLength), { code: 'EBADMSG' });
  assert.ok(readFileSync(packed.packPath).equals(bytes));
});

test('one rotten record does not cost those that were written after it', async (t) => {
  const directory = temporaryDirectory(t);
  const packed = await packData(directory, noise(9_000, randomFrom(testSeed(t))));
  const { offsets, stored } = packed.plan;
  const records = offsets.length;
  const payloadRotten = readFileSync(packed.packPath);
  payloadRotten[offsets[1] + RECORD_HEADER] ^= 1;
  const bad = await scanOf(directory, payloadRotten);
  assert.ok(typeof bad !== 'string');
  assert.equal(bad.count, records);
  assert.deepEqual([...bad.bad], [1]);
  const headerRotten = readFileSync(packed.packPath);
  headerRotten.fill(0xaa, offsets[1], offsets[1] + RECORD_HEADER);
  const lost = await scanOf(directory, headerRotten);
  assert.ok(typeof lost !== 'string');
  assert.equal(lost.validLength, offsets[records - 1] + stored[records - 1]);
  assert.deepEqual(
    [...lost.offsets],
    [...offsets].filter((_, i) => i !== 1),
  );
  const path = join(directory, 'scanned.pack');
  await native.repairPack(path, lost.validLength);
  const repaired = await native.scanPack(path, true);
  assert.equal(repaired.count, records - 1);
});

test('a pack that never got its header is recognised as empty', async (t) => {
  const directory = temporaryDirectory(t);
  for (const bytes of [Buffer.alloc(0), Buffer.from('CRPA'), Buffer.alloc(20_000)]) {
    const scan = await scanOf(directory, bytes);
    assert.ok(typeof scan !== 'string');
    assert.deepEqual([scan.validLength, scan.count, scan.sealed], [0, 0, false]);
    const path = join(directory, 'scanned.pack');
    assert.equal(await native.repairPack(path, 0), 0);
    assert.equal(statSync(path).size, bytes.length);
  }
});

test('a pack that ends within its headers has nothing valid, though one of them is whole', async (t) => {
  const directory = temporaryDirectory(t);
  const packed = await packData(directory, noise(3_000, randomFrom(testSeed(t))));
  const good = readFileSync(packed.packPath);
  for (const length of [64, 4096, 4160, FIRST_RECORD - 1]) {
    const scan = await scanOf(directory, good.subarray(0, length));
    assert.ok(typeof scan !== 'string');
    assert.deepEqual([scan.validLength, scan.count, scan.sealed], [0, 0, false]);
    const path = join(directory, 'scanned.pack');
    assert.equal(await native.repairPack(path, 0), 0);
    assert.equal(statSync(path).size, length);
  }
});

test('a check names every bad chunk; the others can still be read', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(300_000, randomFrom(testSeed(t)));
  const packed = await packData(directory, data);
  const { offsets, lengths } = packed.plan;
  const bytes = readFileSync(packed.packPath);
  const damaged = [0, 7, 8, offsets.length - 1];
  for (const chunk of damaged) bytes[offsets[chunk] + RECORD_HEADER + 3] ^= 0x10;
  writeFileSync(packed.packPath, bytes);
  const plan = native.openPlan(packed.plan);
  assert.deepEqual([...(await native.checkPlan(plan)).bad], damaged);
  let start = 0;
  for (let i = 0; i < lengths.length; i++) {
    const expected = data.subarray(start, start + lengths[i]);
    const read = native.readPlan(plan, start, lengths[i]);
    if (damaged.includes(i)) await assert.rejects(read, { code: 'EIO', path: packed.packPath });
    else assert.ok((await read).equals(expected));
    start += lengths[i];
  }
  plan.close();
});

test('a pack that got shorter is EIO, not zeros', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(9_000, randomFrom(testSeed(t)));
  const packed = await packData(directory, data);
  const bytes = readFileSync(packed.packPath);
  assert.equal(
    await assertNeverWrong(directory, packed, bytes.subarray(0, bytes.length - 1), data),
    false,
  );
});

test('hostile packs crash nothing and give nothing wrong', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = mixedData(random);
  const packed = await packData(directory, data, { level: 3, seal: true });
  const good = readFileSync(packed.packPath);
  const interesting = [0, 1, 0x7f, 0x80, 0xff];
  for (let round = 0; round < 300; round++) {
    let bytes = Buffer.from(good);
    for (let change = random() % 8; change >= 0; change--) {
      const at = FIRST_RECORD + (random() % (bytes.length - FIRST_RECORD));
      const length = Math.min(1 + (random() % 80), bytes.length - at);
      const kind = random() % 4;
      if (kind === 0) bytes.fill(interesting[random() % interesting.length], at, at + length);
      if (kind === 1) noise(length, random).copy(bytes, at);
      if (kind === 2) bytes.copy(bytes, at, FIRST_RECORD, FIRST_RECORD + length);
      if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    }
    await assertNeverWrong(directory, packed, bytes, data);
    const scan = await scanOf(directory, bytes);
    if (typeof scan === 'string') continue;
    await native.repairPack(join(directory, 'scanned.pack'), scan.validLength);
  }
});
