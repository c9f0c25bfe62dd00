import assert from 'node:assert/strict';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { loopFilesystem } from '../loop-filesystem.js';
import { cached, dropCached } from '../page-cache.js';
import {
  hydrated,
  noise,
  packData,
  randomFrom,
  smallFilesystem,
  storeFile,
  temporaryDirectory,
  testSeed,
  text,
  USUAL,
  withFile,
  type Random,
  VOLUME_ID,
} from './content-kit.js';

/** A file with data and holes at random places. */
function storeSparse(directory: string, random: Random): string {
  const path = storeFile(directory, 'sparse', Buffer.alloc(0));
  const fd = openSync(path, 'r+');
  for (let i = 0; i < 5; i++) {
    const data = noise(1 + (random() % 100_000), random);
    writeSync(fd, data, 0, data.length, random() % 8_000_000);
  }
  closeSync(fd);
  truncateSync(path, 8_000_000 + (random() % 1_000_000));
  return path;
}

test('a copied file is the same byte for byte, its holes are still holes', async (t) => {
  const directory = temporaryDirectory(t);
  const path = storeSparse(directory, randomFrom(testSeed(t)));
  const target = storeFile(directory, 'target', noise(9_900_000, randomFrom(1)));
  const copied = await withFile(path, 'r', (from) =>
    withFile(target, 'r+', (to) => native.copyFile(from, to)),
  );
  assert.equal(copied.bytes, statSync(path).size);
  assert.ok(readFileSync(target).equals(readFileSync(path)));
  assert.ok(statSync(target).blocks * 512 < 2_000_000, 'holes were filled');
  const read = await withFile(target, 'r', (fd) => native.digestFile(fd));
  assert.deepEqual({ ...read, found: read.digest }, copied);
});

test('a packed file with long runs of zeros comes back with holes there', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = Buffer.concat([noise(10_000, random), Buffer.alloc(6 << 20), noise(10_000, random)]);
  const { plan, cut } = await packData(directory, data, { limits: USUAL });
  const target = storeFile(directory, 'target', Buffer.alloc(7 << 20, 1));
  const handle = native.openPlan(plan);
  const result = await withFile(target, 'r+', (fd) => native.hydrate(handle, fd));
  assert.equal(result.digest.toString('hex'), cut.digest);
  assert.ok(readFileSync(target).equals(data));
  assert.ok(statSync(target).blocks * 512 < 1 << 20, 'zeros take space');
});

test('empty files copy and hash', async (t) => {
  const directory = temporaryDirectory(t);
  const path = storeFile(directory, 'empty', Buffer.alloc(0));
  const target = storeFile(directory, 'target', Buffer.from('old'));
  const copied = await withFile(path, 'r', (from) =>
    withFile(target, 'r+', (to) => native.copyFile(from, to)),
  );
  assert.equal(copied.bytes, 0);
  assert.equal(copied.digest.toString('hex'), '99aa06d3014798d86001c324468d497f');
  assert.equal(statSync(target).size, 0);
});

test('a full tier ends a copy and a hydration with ENOSPC', async (t) => {
  const directory = temporaryDirectory(t);
  const small = smallFilesystem(t, '1m');
  const data = noise(3 << 20, randomFrom(testSeed(t)));
  const { plan } = await packData(directory, data, { limits: USUAL });
  const target = join(small, 'target');
  await withFile(target, 'w', async (to) => {
    const handle = native.openPlan(plan);
    await assert.rejects(native.hydrate(handle, to), { code: 'ENOSPC' });
    await withFile(join(directory, 'data'), 'r', (from) =>
      assert.rejects(native.copyFile(from, to), { code: 'ENOSPC' }),
    );
  });
});

test('paused background work goes on when allowed and can be cancelled', async (t) => {
  t.after(() => native.setBackgroundRate(Infinity));
  const directory = temporaryDirectory(t);
  const data = noise(3 << 20, randomFrom(testSeed(t)));
  const { plan } = await packData(directory, data, { limits: USUAL });
  native.setBackgroundRate(Infinity, true);
  const handle = native.openPlan(plan);
  const goesOn = native.createCopyControl();
  const cancelled = native.createCopyControl();
  const check = native.checkPlan(handle, goesOn);
  const rejected = assert.rejects(native.checkPlan(handle, cancelled), { code: 'ECANCELED' });
  // Paused jobs hold up neither readers nor recovery.
  assert.ok((await native.readPlan(handle, 0, 1 << 20)).equals(data.subarray(0, 1 << 20)));
  assert.equal((await native.scanPack(plan.packPaths[0], false)).sealed, false);
  assert.equal(goesOn.done, 0);
  cancelled.cancel();
  await rejected;
  native.setBackgroundRate(Infinity);
  assert.deepEqual([...(await check).bad], []);
  assert.equal(goesOn.done, data.length);
  for (const rate of [-1, 0]) {
    assert.throws(() => native.setBackgroundRate(rate), { code: 'EINVAL' });
  }
});

test('a check that was asked for goes on while moves are paused, however many of them stand still', async (t) => {
  t.after(() => native.setBackgroundRate(Infinity));
  const directory = temporaryDirectory(t);
  const { plan } = await packData(directory, noise(1 << 20, randomFrom(testSeed(t))), {
    limits: USUAL,
  });
  const handle = native.openPlan(plan);
  native.setBackgroundRate(100 << 20, true);
  const moves = Array.from({ length: 8 }, () => native.checkPlan(handle));
  const scan = await native.scanPack(plan.packPaths[0], true);
  assert.deepEqual([scan.count, scan.bad.length], [plan.lengths.length, 0]);
  native.setBackgroundRate(Infinity);
  await Promise.all(moves);
});

test('a job that was cancelled before it began does not begin', async (t) => {
  const directory = temporaryDirectory(t);
  const path = storeFile(directory, 'data', noise(100_000, randomFrom(1)));
  const control = native.createCopyControl();
  control.cancel();
  for (const job of [native.digestFile, native.checkFile]) {
    await withFile(path, 'r', (fd) => assert.rejects(job(fd, control), { code: 'ECANCELED' }));
  }
});

test('any part of a packed file reads the same as the file, in any order', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const data = Buffer.concat([
    noise(700_000, random),
    Buffer.alloc(1_500_000),
    text(700_000, random),
  ]);
  for (const level of [0, 3]) {
    const { plan } = await packData(directory, data, { level, limits: USUAL, name: `l${level}` });
    const handle = native.openPlan(plan);
    const reads = [...Array(400).keys()].map(async () => {
      const offset = random() % (data.length + 1000);
      const length = random() % (random() % 2 === 0 ? 5_000 : 2_000_000);
      const got = await native.readPlan(handle, offset, length);
      assert.ok(got.equals(data.subarray(offset, offset + length)), `${offset}+${length}`);
    });
    await Promise.all(reads);
    for (let offset = 0; offset < data.length; offset += 10_000) {
      const got = await native.readPlan(handle, offset, 10_000);
      assert.ok(got.equals(data.subarray(offset, offset + 10_000)), `at ${offset}`);
    }
    handle.close();
    await assert.rejects(native.readPlan(handle, 0, 1), { code: 'EBADF' });
  }
});

test('an open plan works on after its pack is unlinked and another took its path', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const old = noise(50_000, random);
  const fresh = noise(60_000, random);
  const first = await packData(directory, old);
  const handle = native.openPlan(first.plan);
  rmSync(first.packPath);
  const second = await packData(directory, fresh);
  assert.equal(second.packPath, first.packPath);
  assert.ok((await hydrated(directory, second.plan)).equals(fresh));
  assert.ok((await native.readPlan(handle, 0, old.length)).equals(old));
  handle.close();
});

test('a plan that contradicts itself or names a pack that is not there is refused', async (t) => {
  const { plan } = await packData(temporaryDirectory(t), noise(50_000, randomFrom(1)));
  const wrong = [
    { size: plan.size + 1 },
    { lengths: plan.lengths.slice(1) },
    { packs: plan.packs.map(() => 1) },
    { offsets: plan.offsets.map(() => -1) },
    { offsets: plan.offsets.map(() => Number.NaN) },
    { offsets: plan.offsets.map(() => 0) },
    { stored: plan.stored.map(() => 0xffffffff) },
    { stored: plan.stored.map(() => 1) },
    { lengths: plan.lengths.map(() => 0), size: 0 },
    { packIds: [] },
    { packIds: [-1] },
    { volumeId: Buffer.alloc(15) },
  ];
  for (const change of wrong) {
    assert.throws(() => native.openPlan({ ...plan, ...change }), { code: 'EINVAL' });
  }
  const path = '/does/not/exist.pack';
  assert.throws(() => native.openPlan({ ...plan, packPaths: [path] }), { code: 'ENOENT', path });
});

test('another pack in the place of one is EIO, though its records lie and are as long as those', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const limits = { min: 512, average: 512, max: 512 };
  const pack = (name: string, packId: number, volumeId = VOLUME_ID) =>
    packData(directory, noise(5_120, random), { limits, name, packId, volumeId });
  const { plan, packPath } = await pack('own', 7);
  const others = [await pack('other', 8), await pack('foreign', 7, Buffer.alloc(16, 1))];
  for (const other of others) {
    assert.deepEqual(other.plan.offsets, plan.offsets);
    const misplaced = { ...plan, packPaths: [other.packPath] };
    await assert.rejects(hydrated(directory, misplaced), { code: 'EIO', path: other.packPath });
    const writer = native.createPackWriter(`${other.packPath}.copy`, 9, VOLUME_ID);
    const copy = (path: string) => writer.copyRecords(path, 7, plan.offsets, plan.stored);
    await assert.rejects(copy(other.packPath), { code: 'EBADMSG', path: other.packPath });
    assert.equal((await copy(packPath)).offsets.length, plan.offsets.length);
    writer.close();
  }
});

test('a plan with the wrong length or place of a chunk is EIO, not other bytes', async (t) => {
  const directory = temporaryDirectory(t);
  const { plan } = await packData(directory, noise(50_000, randomFrom(testSeed(t))));
  const swapped = plan.offsets.slice();
  [swapped[0], swapped[1]] = [swapped[1], swapped[0]];
  await assert.rejects(hydrated(directory, { ...plan, offsets: swapped }), { code: 'EIO' });
  const lengths = plan.lengths.slice();
  lengths[0] -= 1;
  lengths[1] += 1;
  await assert.rejects(hydrated(directory, { ...plan, lengths }), { code: 'EIO' });
});

test('what is closed holds no descriptor: a tier can be unmounted', async (t) => {
  const small = smallFilesystem(t, '8m');
  const held = () => readlinks().filter((target) => target.startsWith(small)).length;
  const { plan } = await packData(small, noise(1 << 20, randomFrom(1)), { limits: USUAL });
  assert.equal(held(), 0);
  const fd = openSync(join(small, 'data'), 'r');
  const reader = native.createChunkReader(fd, USUAL.min, USUAL.average, USUAL.max, 1 << 18);
  const handle = native.openPlan(plan);
  closeSync(fd);
  assert.equal(held(), 2);
  await reader.next();
  reader.close();
  handle.close();
  while (held() > 0) await new Promise((resolve) => setImmediate(resolve));
});

function readlinks(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

test('a check of a file reads the medium and leaves the page cache as it was', async (t) => {
  const directory = loopFilesystem('ext4', (clean) => t.after(clean));
  const data = noise(40 * 1024 * 1024 + 123, randomFrom(testSeed(t)));
  const path = storeFile(directory, 'file', data);
  const wanted = await withFile(path, 'r', (fd) => native.digestFile(fd));
  dropCached(path);
  const check = () => withFile(path, 'r', (fd) => native.checkFile(fd));
  assert.deepEqual(await check(), wanted);
  assert.equal(cached(path), 0, 'what nobody uses stays in memory');
  readFileSync(path);
  assert.deepEqual(await check(), wanted);
  assert.ok(cached(path) >= data.length, 'what programs use is out of memory');
  const sparse = storeSparse(directory, randomFrom(testSeed(t)));
  const [checked, digest] = await withFile(sparse, 'r', (fd) =>
    Promise.all([native.checkFile(fd), native.digestFile(fd)]),
  );
  assert.deepEqual(checked, digest);
});

test('copies of a group are refused with arguments that are none, and nothing crashes', async (t) => {
  const directory = temporaryDirectory(t);
  const path = storeFile(directory, 'a', Buffer.from('abc'));
  const group = await native.readFiles([path], Uint32Array.of(3));
  const one = Uint32Array.of(0);
  const times = new Float64Array(4);
  const label = [Buffer.from('label')];
  const target = join(directory, 'b');
  await assert.rejects(group.write(Uint32Array.of(1), [target], label, 'user.x', times), {
    code: 'EINVAL',
  });
  await assert.rejects(group.write(one, [target, target], label, 'user.x', times), {
    code: 'EINVAL',
  });
  assert.throws(() => group.write(one, [target], label, 'user.x', new Float64Array(3)), TypeError);
  const trap = Object.defineProperty([''], 0, {
    get: () => {
      throw new RangeError('no element');
    },
  });
  assert.throws(() => group.write(one, trap, label, 'user.x', times), RangeError);
  const { errors, blocks } = await group.write(one, [target], label, 'user.x', times);
  assert.deepEqual([errors[0], readFileSync(target, 'utf8')], [0, 'abc']);
  assert.ok(blocks[0] >= 0);
  group.release();
  await assert.rejects(group.write(one, [target], label, 'user.x', times), { code: 'EINVAL' });
});
