import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import xxhash from 'xxhash-addon';
import { native } from '../../src/native.js';
import {
  appendFile,
  AS_IS,
  cutFile,
  FIRST_RECORD,
  hydrated,
  noise,
  packData,
  planOver,
  randomFrom,
  RECORD_HEADER,
  SMALL,
  smallFilesystem,
  storeFile,
  temporaryDirectory,
  testSeed,
  text,
  USUAL,
  VOLUME_ID,
} from './content-kit.js';

for (const level of [0, 3]) {
  test(`what was packed comes back byte for byte, level ${level}`, async (t) => {
    const directory = temporaryDirectory(t);
    const random = randomFrom(testSeed(t));
    const data = Buffer.concat([
      text(1 + (random() % 300_000), random),
      Buffer.alloc(random() % 600_000),
      noise(random() % 300_000, random),
      Buffer.alloc(random() % 100),
    ]);
    const { plan, cut } = await packData(directory, data, { level, limits: USUAL, seal: true });
    assert.ok((await hydrated(directory, plan)).equals(data));
    const handle = native.openPlan(plan);
    const check = await native.checkPlan(handle);
    assert.deepEqual([...check.bad], []);
    assert.equal(check.digest.toString('hex'), cut.digest);
    handle.close();
  });
}

test('an empty file and a file of zeros come back, from no record at all', async (t) => {
  const directory = temporaryDirectory(t);
  for (const length of [0, 1, 5_000_000]) {
    const packed = await packData(directory, Buffer.alloc(length), { name: `z${length}` });
    assert.equal(statSync(packed.packPath).size, FIRST_RECORD);
    assert.ok((await hydrated(directory, packed.plan)).equals(Buffer.alloc(length)));
  }
});

test('text gets smaller; what does not shrink is stored as is and costs no decoding', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const words = await packData(directory, text(200_000, random), { level: 3, name: 'words' });
  const storedWords = words.plan.stored.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(storedWords < 120_000, `${storedWords} bytes`);
  const random1 = await packData(directory, noise(200_000, random), { level: 3, name: 'noise' });
  random1.plan.stored.forEach((stored, i) =>
    assert.equal(stored, random1.plan.lengths[i] + RECORD_HEADER),
  );
});

test('a pack tells what it holds, open and sealed alike', async (t) => {
  const directory = temporaryDirectory(t);
  const data = text(50_000, randomFrom(testSeed(t)));
  for (const seal of [false, true]) {
    const { packPath, plan, cut } = await packData(directory, data, { seal, name: `s${seal}` });
    for (const deep of [false, true]) {
      const scan = await native.scanPack(packPath, deep);
      assert.equal(scan.packId, 7);
      assert.equal(scan.sealed, seal);
      assert.equal(scan.validLength, scan.fileLength);
      assert.deepEqual(scan.offsets, plan.offsets);
      assert.deepEqual(scan.stored, plan.stored);
      assert.deepEqual(scan.lengths, plan.lengths);
      assert.equal(scan.hashes.toString('hex'), cut.hashes.join(''));
      assert.deepEqual([...scan.bad], []);
    }
  }
});

test('a volume of this release stays readable: the format on disk does not change', async (t) => {
  const directory = temporaryDirectory(t);
  const data = Buffer.concat([text(3_000, randomFrom(5)), noise(2_000, randomFrom(6))]);
  const { packPath } = await packData(directory, data, { seal: true });
  const bytes = readFileSync(packPath);
  assert.equal(bytes.subarray(0, 8).toString('latin1'), 'CRPACK\x1a\n');
  assert.equal(bytes.readUInt32LE(8), 3);
  assert.equal(bytes.readUInt32LE(12), FIRST_RECORD);
  assert.equal(bytes.readBigUInt64LE(16), 7n);
  assert.ok(bytes.subarray(24, 40).equals(VOLUME_ID));
  assert.ok(bytes.subarray(4096, 4160).equals(bytes.subarray(0, 64)));
  const record = bytes.subarray(FIRST_RECORD);
  assert.equal(record.subarray(0, 4).toString('hex'), 'c05243ee');
  assert.equal(record.readUInt32LE(8), record.readUInt32LE(12));
  const footer = bytes.subarray(bytes.length - 64);
  assert.equal(footer.subarray(0, 8).toString('latin1'), 'CRSEAL\x1a\n');
  const count = footer.readUInt32LE(12);
  assert.equal(Number(footer.readBigUInt64LE(16)), bytes.length - 64 - count * 48);
  assert.equal(bytes.readBigUInt64LE(56).toString(16), GOLDEN_HEADER_CHECKSUM);
  assert.equal(record.readBigUInt64LE(56).toString(16), GOLDEN_RECORD_CHECKSUM);
});

const GOLDEN_HEADER_CHECKSUM = '587b820d215306e9';
const GOLDEN_RECORD_CHECKSUM = '109cbac04ec3ba71';

test('a pack of a later format version is refused by name, not misread', async (t) => {
  const directory = temporaryDirectory(t);
  const { packPath } = await packData(directory, text(2_000, randomFrom(1)));
  const bytes = readFileSync(packPath);
  bytes.writeUInt32LE(4, 8);
  // Its checksum is right, so that only the version is strange.
  xxhash.XXHash3.hash(bytes.subarray(0, 56)).swap64().copy(bytes, 56);
  writeFileSync(packPath, bytes);
  await assert.rejects(native.scanPack(packPath, false), {
    code: 'EPROTONOSUPPORT',
    path: packPath,
  });
});

test('a pack that exists is never written over', async (t) => {
  const { packPath } = await packData(temporaryDirectory(t), Buffer.from('x'));
  assert.throws(() => native.createPackWriter(packPath, 8, VOLUME_ID), { code: 'EEXIST' });
});

test('records moved to another pack are the same chunks there', async (t) => {
  const directory = temporaryDirectory(t);
  const data = text(60_000, randomFrom(testSeed(t)));
  const { packPath, plan } = await packData(directory, data, { level: 3 });
  const target = join(directory, 'target.pack');
  const writer = native.createPackWriter(target, 8, VOLUME_ID);
  const order = [...plan.offsets.keys()].filter((i) => i % 3 !== 0);
  const copied = await writer.copyRecords(
    packPath,
    7,
    Float64Array.from(order.map((i) => plan.offsets[i])),
    Uint32Array.from(order.map((i) => plan.stored[i])),
  );
  await writer.seal();
  writer.close();
  const scan = await native.scanPack(target, true);
  assert.deepEqual([...scan.bad], []);
  assert.deepEqual(scan.offsets, copied.offsets);
  assert.deepEqual(
    [...scan.lengths],
    order.map((i) => plan.lengths[i]),
  );
});

test('a damaged record is not copied on: the move fails and adds nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const { packPath, plan } = await packData(directory, text(60_000, randomFrom(1)));
  const bytes = readFileSync(packPath);
  bytes[plan.offsets[5] + RECORD_HEADER] ^= 1;
  writeFileSync(packPath, bytes);
  const target = join(directory, 'target.pack');
  const writer = native.createPackWriter(target, 8, VOLUME_ID);
  await assert.rejects(writer.copyRecords(packPath, 7, plan.offsets, plan.stored), {
    code: 'EBADMSG',
    path: packPath,
  });
  assert.equal(writer.size, FIRST_RECORD);
  assert.equal(statSync(target).size, FIRST_RECORD);
  await writer.copyRecords(packPath, 7, plan.offsets.slice(0, 5), plan.stored.slice(0, 5));
  await writer.seal();
  assert.equal((await native.scanPack(target, true)).count, 5);
});

test('copying records that is cancelled adds nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const { packPath, plan } = await packData(directory, text(60_000, randomFrom(1)));
  const writer = native.createPackWriter(join(directory, 'target.pack'), 8, VOLUME_ID);
  t.after(() => native.setBackgroundRate(Infinity));
  native.setBackgroundRate(Infinity, true);
  const control = native.createCopyControl();
  const copying = writer.copyRecords(packPath, 7, plan.offsets, plan.stored, control);
  control.cancel();
  await assert.rejects(copying, { code: 'ECANCELED' });
  assert.ok(control.cancelled);
  assert.equal(writer.size, FIRST_RECORD);
  native.setBackgroundRate(Infinity);
  const again = native.createCopyControl();
  await writer.copyRecords(packPath, 7, plan.offsets, plan.stored, again);
  assert.equal(again.done, writer.size - FIRST_RECORD);
  writer.close();
  // Whoever copies packs of which the target is full goes on with the next target.
  assert.equal(again.cancelled, false);
});

test('a sealed pack takes nothing more, a closed writer neither', async (t) => {
  const directory = temporaryDirectory(t);
  const cut = await cutFile(storeFile(directory, 'data', text(5_000, randomFrom(1))), SMALL);
  const path = join(directory, 'a.pack');
  const writer = native.createPackWriter(path, 1, VOLUME_ID);
  await appendFile(writer, path, cut, AS_IS);
  await writer.seal();
  assert.equal(writer.size, statSync(path).size);
  await assert.rejects(appendFile(writer, path, cut, AS_IS), { code: 'EROFS' });
  writer.close();
  await assert.rejects(writer.sync(), { code: 'EBADF' });
  for (const batch of cut.batches) batch.release();
  const other = native.createPackWriter(join(directory, 'b.pack'), 2, VOLUME_ID);
  await assert.rejects(appendFile(other, path, cut, AS_IS), { code: 'EINVAL' });
});

test('a sync runs beside an append', async (t) => {
  const directory = temporaryDirectory(t);
  const cut = await cutFile(storeFile(directory, 'data', noise(400_000, randomFrom(1))), SMALL);
  const path = join(directory, 'a.pack');
  const writer = native.createPackWriter(path, 1, VOLUME_ID);
  const [batch] = cut.batches;
  const chunks = await native.encodeChunks(batch, Uint32Array.from(batch.lengths.keys()), 0, 0);
  for (let i = 0; i < 20; i++) {
    await Promise.all([writer.append(chunks), writer.sync(), writer.sync()]);
  }
  chunks.release();
  await assert.rejects(writer.append(chunks), { code: 'EINVAL' });
  for (const { release } of cut.batches) release();
  await assert.rejects(native.encodeChunks(batch, Uint32Array.of(0), 0, 0), { code: 'EINVAL' });
  await Promise.all([writer.sync(), writer.seal()]);
  writer.close();
  assert.equal((await native.scanPack(path, true)).count, 20 * batch.count);
});

test('a full medium stops an append, loses nothing, and more fits later', async (t) => {
  const directory = temporaryDirectory(t);
  const small = smallFilesystem(t, '256k');
  const random = randomFrom(testSeed(t));
  const first = noise(100_000, random);
  const cut = await cutFile(storeFile(directory, 'first', first), SMALL);
  const large = await cutFile(storeFile(directory, 'large', noise(400_000, random)), SMALL);
  const path = join(small, 'a.pack');
  const writer = native.createPackWriter(path, 1, VOLUME_ID);
  const plan = await appendFile(writer, path, cut, AS_IS, { packId: 1 });
  const size = writer.size;
  await assert.rejects(appendFile(writer, path, large, AS_IS), { code: 'ENOSPC', path });
  assert.equal(writer.size, size);
  assert.equal(statSync(path).size, size);
  assert.ok((await hydrated(directory, plan)).equals(first));
  const again = await cutFile(storeFile(directory, 'again', noise(20_000, random)), SMALL);
  await appendFile(writer, path, again, AS_IS);
  await writer.seal();
  const scan = await native.scanPack(path, true);
  assert.equal(scan.sealed, true);
  assert.equal(scan.count, cut.lengths.length + again.lengths.length);
  writer.close();
});

test('no room for the index leaves a pack that is sealed once there is room', async (t) => {
  const directory = temporaryDirectory(t);
  const small = smallFilesystem(t, '256k');
  const cut = await cutFile(storeFile(directory, 'd', noise(60_000, randomFrom(1))), SMALL);
  const path = join(small, 'a.pack');
  const writer = native.createPackWriter(path, 1, VOLUME_ID);
  const plan = await appendFile(writer, path, cut, AS_IS, { packId: 1 });
  const room = 256 * 1024 - Math.ceil(writer.size / 4096) * 4096;
  const filler = storeFile(small, 'filler', Buffer.alloc(room));
  await assert.rejects(writer.seal(), { code: 'ENOSPC' });
  assert.equal((await native.scanPack(path, true)).count, plan.lengths.length);
  truncateSync(filler, 0);
  await writer.seal();
  writer.close();
  assert.equal((await native.scanPack(path, true)).sealed, true);
});

test('bytes of another pack or another place are damage, not data', async (t) => {
  const directory = temporaryDirectory(t);
  const { packPath, plan } = await packData(directory, text(9_000, randomFrom(1)));
  const other = join(directory, 'other.pack');
  const writer = native.createPackWriter(other, 8, VOLUME_ID);
  writer.close();
  const bytes = readFileSync(packPath);
  const header = readFileSync(other);
  writeFileSync(other, Buffer.concat([header, bytes.subarray(FIRST_RECORD)]));
  await assert.rejects(hydrated(directory, planOver(plan, other)), { code: 'EIO', path: other });
  // Two records of equal length that changed places are found too.
  const moved = join(directory, 'moved.pack');
  copyFileSync(packPath, moved);
  const swapped = Buffer.from(bytes);
  bytes.copy(swapped, plan.offsets[1], plan.offsets[0], plan.offsets[0] + RECORD_HEADER);
  writeFileSync(moved, swapped);
  await assert.rejects(hydrated(directory, planOver(plan, moved)), { code: 'EIO', path: moved });
});
