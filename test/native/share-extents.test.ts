/** Blocks that files have in common, on real XFS and btrfs; and ext4, where there are none. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { native, SHARE_WINDOW } from '../../src/native.js';
import { loopFilesystem, usedBytes } from '../loop-filesystem.js';
import { mapAndRead } from '../mapped-reader.js';
import { cached, dropCached } from '../page-cache.js';
import { noise, randomFrom, testSeed, withFile, type Random } from './content-kit.js';

const MiB = 1024 * 1024;
const BLOCK = 4096;

/** The test on each kind of filesystem that can share, in a directory on it. */
function onEach(name: string, work: (t: TestContext, directory: string) => Promise<void>): void {
  for (const kind of ['xfs', 'btrfs'] as const) {
    test(`${kind}: ${name}`, (t) =>
      work(
        t,
        loopFilesystem(kind, (clean) => t.after(clean)),
      ));
  }
}

function store(directory: string, name: string, data: Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, data, { flush: true });
  return path;
}

function share(source: string, target: string, shortest = BLOCK, offset = 0): Promise<number> {
  const length = statSync(source).size;
  return withFile(source, 'r', (from) =>
    withFile(target, 'r', (to) => native.shareExtents(from, to, offset, length, shortest)),
  );
}

const sharedOf = (path: string): Promise<number> =>
  withFile(path, 'r', (fd) => native.sharedBytes(fd));

/** What a program sees of a file beside its bytes. */
function seen(path: string) {
  const { size, mtimeNs, ctimeNs, ino, mode } = statSync(path, { bigint: true });
  return { size, mtimeNs, ctimeNs, ino, mode };
}

onEach(
  'whether files can share blocks is found out by trying, and nothing stays behind',
  async (t, can) => {
    const cannot = loopFilesystem('ext4', (clean) => t.after(clean));
    const [before, beforeToo] = [readdirSync(can), readdirSync(cannot)];
    assert.equal(await native.canShareExtents(can), true);
    assert.equal(await native.canShareExtents(cannot), false);
    assert.equal(await native.canShareExtents(join(can, 'missing')), false);
    assert.deepEqual([readdirSync(can), readdirSync(cannot)], [before, beforeToo]);
  },
);

onEach('equal files take space once and look as before', async (t, directory) => {
  const data = noise(3 * SHARE_WINDOW + 5 * BLOCK + 123, randomFrom(testSeed(t)));
  const [a, b] = [store(directory, 'a', data), store(directory, 'b', data)];
  const [used, times, timesOfA] = [usedBytes(directory), seen(b), seen(a)];
  assert.equal(await share(a, b, MiB), data.length);
  assert.ok(usedBytes(directory) < used - data.length + MiB, 'no space was freed');
  assert.deepEqual([seen(b), seen(a)], [times, timesOfA]);
  const whole = Math.ceil(data.length / BLOCK) * BLOCK;
  assert.deepEqual([await sharedOf(a), await sharedOf(b)], [whole, whole]);
  assert.ok(readFileSync(b).equals(data) && readFileSync(a).equals(data));
  assert.equal(await share(a, b, MiB), 0, 'a second look finds them shared');
});

/** Both with the same bytes but for some blocks here and there. */
function alikePair(directory: string, random: Random) {
  const data = noise(2 * SHARE_WINDOW + (random() % MiB), random);
  const other = Buffer.from(data);
  const differing = new Set<number>();
  for (let i = 0; i < 40; i++) {
    const at = random() % data.length;
    other[at] ^= 1 + (random() % 255);
    differing.add(Math.floor(at / BLOCK));
  }
  const paths = [store(directory, 'a', data), store(directory, 'b', other)] as const;
  return { data, other, differing, paths };
}

onEach(
  'files that differ here and there keep their own bytes there and share the rest',
  async (t, directory) => {
    const { data, other, differing, paths } = alikePair(directory, randomFrom(testSeed(t)));
    const expected = data.length - differing.size * BLOCK;
    const shared = await share(...paths);
    // The last block of the file may be a part of one.
    assert.ok(Math.abs(shared - expected) < BLOCK, `${shared} instead of ${expected}`);
    assert.ok(readFileSync(paths[0]).equals(data));
    assert.ok(readFileSync(paths[1]).equals(other));
  },
);

onEach('runs too short to be worth a seek are left where they are', async (t, directory) => {
  const random = randomFrom(testSeed(t));
  const data = noise(8 * MiB, random);
  const other = Buffer.from(data);
  for (let at = MiB / 2; at < 5 * MiB; at += MiB / 4) other[at] ^= 1;
  const paths = [store(directory, 'a', data), store(directory, 'b', other)] as const;
  const shared = await share(...paths, MiB);
  assert.equal(shared, MiB / 2 + 3.25 * MiB - BLOCK, 'the start and the end, which may go on');
  assert.ok(readFileSync(paths[1]).equals(other));
});

onEach(
  'files of different lengths share whole blocks, and no byte beyond the shorter one',
  async (t, directory) => {
    const data = noise(MiB + 3 * BLOCK, randomFrom(testSeed(t)));
    const shorter = data.subarray(0, MiB + 100);
    const [a, b] = [store(directory, 'a', data), store(directory, 'b', shorter)];
    assert.equal(await share(a, b), MiB);
    assert.equal(await share(b, a), 0);
    assert.ok(readFileSync(a).equals(data) && readFileSync(b).equals(shorter));
  },
);

onEach(
  'what is written to one of two files afterwards is not in the other',
  async (t, directory) => {
    const data = noise(4 * MiB, randomFrom(testSeed(t)));
    const [a, b] = [store(directory, 'a', data), store(directory, 'b', data)];
    await share(a, b);
    await withFile(b, 'r+', (fd) => native.write(fd, MiB + 7, Buffer.from('written later')));
    assert.ok(readFileSync(a).equals(data));
    rmSync(a);
    const wanted = Buffer.from(data);
    wanted.write('written later', MiB + 7);
    assert.ok(readFileSync(b).equals(wanted), 'its blocks went with the other file');
    truncateSync(b, MiB + 10);
    assert.ok(readFileSync(b).equals(wanted.subarray(0, MiB + 10)));
  },
);

/** Writes at random places of a file and of what it should hold, until it is told to stop. */
async function keepWriting(path: string, model: Buffer, random: Random, stop: { now: boolean }) {
  const file = await open(path, 'r+');
  while (!stop.now) {
    const at = random() % (model.length - 2 * BLOCK);
    const data = noise(1 + (random() % (2 * BLOCK)), random);
    data.copy(model, at);
    await file.write(data, 0, data.length, at);
  }
  await file.close();
}

onEach(
  'files that are written while they are compared hold what was written',
  async (t, directory) => {
    const random = randomFrom(testSeed(t));
    const data = noise(24 * MiB, random);
    const [first, second] = [Buffer.from(data), Buffer.from(data)];
    const [a, b] = [store(directory, 'a', data), store(directory, 'b', data)];
    const stop = { now: false };
    const writers = [keepWriting(a, first, random, stop), keepWriting(b, second, random, stop)];
    let shared = 0;
    for (let round = 0; round < 5; round++) shared += await share(a, b, 64 * 1024);
    stop.now = true;
    await Promise.all(writers);
    assert.ok(shared > 0, 'nothing was shared: this shows nothing');
    assert.ok(readFileSync(a).equals(first));
    assert.ok(readFileSync(b).equals(second));
  },
);

onEach(
  'a program that has the file mapped whose blocks are used reads the same bytes all the time',
  async (t, directory) => {
    const { data, other, paths } = alikePair(directory, randomFrom(testSeed(t)));
    const ends = await mapAndRead(paths[0]);
    assert.ok((await share(...paths)) > 2 * SHARE_WINDOW - MiB);
    await ends();
    assert.ok(readFileSync(paths[0]).equals(data) && readFileSync(paths[1]).equals(other));
  },
);

onEach(
  'comparing leaves the page cache to programs: what they read stays, what they did not is not in',
  async (t, directory) => {
    const random = randomFrom(testSeed(t));
    const data = noise(2 * SHARE_WINDOW, random);
    const paths = ['a', 'b', 'c'].map((name) => store(directory, name, data));
    const [a, b, c] = paths;
    for (const path of paths) dropCached(path);
    assert.deepEqual(paths.map(cached), [0, 0, 0]);
    assert.equal(await share(a, b), data.length);
    assert.ok(cached(a) + cached(b) < MiB, 'cold files were left in memory');
    assert.ok(readFileSync(c).equals(data));
    assert.equal(await share(a, c), data.length);
    assert.ok(cached(a) < MiB);
    // The kernel reads it again on its own time.
    while (cached(c) < data.length) await delay(10);
  },
);

onEach('a cancelled comparison stops, and both files are whole', async (t, directory) => {
  const data = noise(MiB, randomFrom(testSeed(t)));
  const [a, b] = [store(directory, 'a', data), store(directory, 'b', data)];
  const control = native.createCopyControl();
  control.cancel();
  await withFile(a, 'r', (from) =>
    withFile(b, 'r', (to) =>
      assert.rejects(native.shareExtents(from, to, 0, MiB, BLOCK, control), { code: 'ECANCELED' }),
    ),
  );
  assert.equal(await sharedOf(b), 0);
  assert.ok(readFileSync(b).equals(data));
});

test('where the filesystem can not share, nothing happens to the files', async (t) => {
  const directory = loopFilesystem('ext4', (clean) => t.after(clean));
  const data = noise(MiB, randomFrom(testSeed(t)));
  const [a, b] = [store(directory, 'a', data), store(directory, 'b', data)];
  await assert.rejects(share(a, b), { code: 'EOPNOTSUPP' });
  assert.equal(await sharedOf(a), 0);
  assert.ok(readFileSync(b).equals(data));
});

onEach(
  'samples tell files that have bytes in common from others, and ones that share already',
  async (t, directory) => {
    const random = randomFrom(testSeed(t));
    const data = noise(4 * MiB + 17, random);
    const half = Buffer.concat([data.subarray(0, 2 * MiB), noise(2 * MiB + 17, random)]);
    const sample = (name: string, bytes: Buffer) =>
      withFile(store(directory, name, bytes), 'r', (fd) => native.sampleFile(fd));
    const [a, b] = [await sample('a', data), await sample('b', half)];
    const equal = a.hashes.filter((hash, i) => hash === b.hashes[i]).length;
    assert.equal(equal, a.hashes.length / 2);
    assert.ok(a.places.every((place, i) => place > 0 && place !== b.places[i]));
    await share(join(directory, 'a'), join(directory, 'b'));
    const again = await withFile(join(directory, 'b'), 'r', (fd) => native.sampleFile(fd));
    assert.equal(again.places.filter((place, i) => place === a.places[i]).length, equal);
    assert.equal(again.sharedBytes, 2 * MiB);
    const { hashes } = await sample('zeros', Buffer.alloc(MiB));
    assert.ok(hashes.every((hash) => hash === 0));
  },
);

onEach(
  'a copy within a filesystem that can share takes no space and stands on its own',
  async (t, directory) => {
    const data = noise(16 * MiB, randomFrom(testSeed(t)));
    const path = store(directory, 'a', data);
    truncateSync(path, 40 * MiB);
    const target = store(directory, 'copy', noise(50 * MiB, randomFrom(1)));
    const copied = await withFile(path, 'r', (from) =>
      withFile(target, 'r+', (to) => native.copyFile(from, to)),
    );
    const used = usedBytes(directory);
    assert.equal(copied.bytes, 40 * MiB);
    assert.equal(await sharedOf(target), 16 * MiB);
    const { digest } = await withFile(target, 'r', (fd) => native.digestFile(fd));
    assert.deepEqual([digest, copied.found], [copied.digest, copied.digest]);
    rmSync(path);
    assert.ok(usedBytes(directory) > used - MiB, 'the copy took space of its own');
    assert.ok(readFileSync(target).subarray(0, data.length).equals(data));
  },
);
