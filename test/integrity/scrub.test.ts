import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { checkVolume } from '../../src/integrity/fsck.js';
import { copyNamespace, namespaceCopyPath } from '../../src/integrity/namespace-copy.js';
import { scrub, scrubPacks } from '../../src/integrity/scrub.js';
import { openNamespace } from '../../src/namespace/namespace.js';
import { ROOT_INO } from '../../src/namespace/types.js';
import { native } from '../../src/native.js';
import { openStore } from '../../src/store/store.js';
import { decodeBacktrace, encodeBacktrace } from '../../src/tiers/backtrace.js';
import { assertReads, createBench, FAST, randomBytes, removeBench } from '../content/fixture.js';
import {
  addDirectory,
  addPackedFile,
  addPlainFile,
  assertClean,
  fsck,
  openVolume,
} from './fixture.js';
import type { Volume } from './fixture.js';
import { rotTo } from '../migration/damage.js';

const MIB = 1 << 20;
let volume: Volume;
beforeEach(async () => {
  volume = openVolume(await createBench());
});
afterEach(() => removeBench(volume.bench));

test('scrub finds damage, names the files that have it, and new data heals them', async () => {
  const bytes = randomBytes(1, 4 * MIB);
  const one = await addPackedFile(volume, 'one', bytes);
  const two = await addPackedFile(volume, 'two', Buffer.concat([bytes, randomBytes(2, MIB)]));
  await addPackedFile(volume, 'other', randomBytes(3, MIB));
  const plan = await volume.bench.content.planFor(one.ino);
  const file = await open(plan.packPaths[0], 'r+');
  await file.write(Buffer.from('damage'), 0, 6, plan.offsets[3] + 100);
  await file.close();
  const report = await scrubPacks(volume.deps);
  assert.equal(report.damaged.length, 1);
  assert.deepEqual(report.affected.sort(), [one.ino, two.ino]);
  assert.match(report.problems[0].subject, /\(\/one\)/);
  assert.ok((await fsck(volume)).every(({ what }) => what === 'damaged-file'));
  await addPackedFile(volume, 'again', bytes);
  await assertClean(volume, true);
  await assertReads(volume.bench, two.ino, Buffer.concat([bytes, randomBytes(2, MIB)]));
});

test('scrub reads plain copies of packed files, and says which are not what was packed', async () => {
  const { tiers, store } = volume.bench;
  const [fast] = tiers.tiers;
  const all = [randomBytes(1, 5000), randomBytes(2, 3 * MIB), randomBytes(3, 70_000)];
  const inodes = await Promise.all(all.map((bytes, i) => addPackedFile(volume, `${i}`, bytes)));
  for (const [i, inode] of inodes.entries()) {
    const path = tiers.backingPath(fast, inode.ino);
    writeFileSync(path, all[i]);
    const fd = await native.open(path, 0, 0);
    inode.digest = (await native.checkFile(fd)).digest.toString('hex');
    native.setTimes(fd, 1, 0, 2, 3);
    native.close(fd);
    Object.assign(inode, { mtimeSec: 2, mtimeNsec: 3 });
    inode.plainTier = fast.id;
    volume.namespace.update(inode);
  }
  await store.commit();
  const dropped: number[] = [];
  const deps = { ...volume.deps, dropHotCopy: async (ino: number) => dropped.push(ino) === 1 };
  const { copies, problems } = await scrub(deps);
  assert.deepEqual([copies, problems], [3, []]);
  const rotten = Buffer.from(all[1]);
  rotten[2 * MIB] ^= 1;
  await rotTo(tiers.backingPath(fast, inodes[1].ino), rotten);
  writeFileSync(tiers.backingPath(fast, inodes[0].ino), 'written past us');
  rmSync(tiers.backingPath(fast, inodes[2].ino));
  const report = await scrub(deps);
  assert.deepEqual(dropped, [inodes[1].ino, inodes[2].ino]);
  assert.equal(report.healed, 1);
  assert.deepEqual(
    report.problems.map(({ what }) => what),
    ['damaged-copy', 'damaged-copy'],
  );
  assert.match(report.problems[0].detail, /was written past Coral Reef/);
  assert.match(report.problems[1].subject, /\(\/2\)/);
  assert.match(report.problems[1].detail, /can't be read \(ENOENT\)/);
  assert.equal((await scrub(volume.deps)).problems.length, 3);
});

test('scrub finds a record that nothing is left of, in an open pack too', async () => {
  const one = await addPackedFile(volume, 'one', randomBytes(1, 2 * MIB));
  const other = randomBytes(2, MIB);
  const two = await addPackedFile(volume, 'two', other);
  const plan = await volume.bench.content.planFor(one.ino);
  const file = await open(plan.packPaths[0], 'r+');
  await file.write(Buffer.alloc(8), 0, 8, plan.offsets[3]);
  await file.close();
  const report = await scrubPacks(volume.deps);
  assert.equal(report.damaged.length, 1);
  assert.deepEqual(report.affected, [one.ino]);
  await assertReads(volume.bench, two.ino, other);
  await addPackedFile(volume, 'again', randomBytes(1, 2 * MIB));
  await assertClean(volume, true);
  assert.deepEqual((await scrubPacks(volume.deps)).damaged, []);
});

test('scrub finds what lies in a pack that another one took the place of', async () => {
  const one = await addPackedFile(volume, 'one', randomBytes(1, MIB));
  const two = await addPackedFile(volume, 'two', randomBytes(2, MIB), { tier: FAST });
  const plans = [one, two].map(({ ino }) => volume.bench.content.planFor(ino));
  const [first, second] = (await Promise.all(plans)).map(({ packPaths }) => packPaths[0]);
  copyFileSync(first, second);
  const report = await scrubPacks(volume.deps);
  assert.deepEqual(report.affected, [two.ino]);
});

test('scrub names a tier that it could not read, and fsck --deep does so once', async () => {
  const { tiers, directory } = volume.bench;
  await addPackedFile(volume, 'one', randomBytes(1, MIB));
  const [, hdd] = tiers.tiers;
  renameSync(hdd.path, join(directory, 'away'));
  await tiers.refresh();
  const { packs, problems } = await scrub(volume.deps);
  assert.equal(packs, 0);
  assert.deepEqual(
    problems.map(({ what, subject }) => [what, subject]),
    [['no-tier', 'tier hdd']],
  );
  const found = (await fsck(volume, true)).filter(({ what }) => what === 'no-tier');
  assert.deepEqual(found, problems);
  renameSync(join(directory, 'away'), hdd.path);
  await tiers.refresh();
  await assertClean(volume, true);
});

test('a check says how far it is and has one line for each problem', async () => {
  volume.namespace.insert(ROOT_INO, 'dangling', 999, 8);
  const steps: number[] = [];
  const progress = ({ done }: { done: number }): void => void steps.push(done);
  const { problems } = await checkVolume(volume.deps, { deep: false, progress });
  assert.deepEqual(problems, [
    {
      what: 'bad-entry',
      subject: "entry 'dangling' of inode 1 (/)",
      detail: 'inode 999 does not exist',
      repair: 'remove the entry',
    },
  ]);
  assert.ok(steps.length > 3);
});

test('a copy of the namespace on each tier opens and has everything', async () => {
  const { store, tiers } = volume.bench;
  const file = addPlainFile(volume, 'file', randomBytes(4, 1000));
  await store.commit();
  for (let round = 0; round < 2; round++) {
    const copies = await copyNamespace(store, tiers);
    assert.deepEqual(
      copies.map(({ tier, problem }) => ({ tier, problem })),
      [
        { tier: 'nvme', problem: null },
        { tier: 'hdd', problem: null },
      ],
    );
    assert.ok(copies.every(({ bytes }) => bytes > 0));
  }
  const path = namespaceCopyPath(tiers.tiers[1]);
  assert.ok(existsSync(path) && !readdirSync(path).includes('incoming'));
  const copy = await openStore(path);
  assert.equal(openNamespace(copy).lookup(ROOT_INO, 'file')?.ino, file.ino);
  await copy.close();
});

test('a backtrace says where a file was, whatever bytes its names have', () => {
  const { namespace, bench } = volume;
  const models = addDirectory(volume, ROOT_INO, 'models');
  const deep = addDirectory(volume, models.ino, '\xff\xfe \n');
  const inode = addPlainFile(volume, 'weights', randomBytes(5, 10));
  namespace.remove(ROOT_INO, 'weights');
  namespace.insert(deep.ino, 'weights', inode.ino, 8);
  Object.assign(inode, { parent: deep.ino, mtimeSec: -5, mtimeNsec: 999_999_999 });
  const value = encodeBacktrace(namespace, bench.volume.id, inode);
  const found = decodeBacktrace(value);
  assert.ok(found);
  assert.deepEqual(found.ancestors, [
    { parent: deep.ino, name: 'weights' },
    { parent: models.ino, name: '\xff\xfe \n' },
    { parent: ROOT_INO, name: 'models' },
  ]);
  assert.equal(found.complete, true);
  const { volumeId, ino, mode, uid, gid, size, mtimeSec, mtimeNsec } = found;
  assert.deepEqual(
    { volumeId, ino, mode, uid, gid, size, mtimeSec, mtimeNsec },
    {
      volumeId: bench.volume.id,
      ino: inode.ino,
      mode: 0o100644,
      uid: 1000,
      gid: 1000,
      size: 10,
      mtimeSec: -5,
      mtimeNsec: 999_999_999,
    },
  );
  for (let at = 0; at < value.length; at++) {
    const damaged = Buffer.from(value);
    damaged[at] ^= 1;
    assert.equal(decodeBacktrace(damaged), undefined);
    assert.equal(decodeBacktrace(value.subarray(0, at)), undefined);
  }
});

test('the backtrace of a file far down fits into an attribute', () => {
  let parent = ROOT_INO;
  for (let depth = 0; depth < 20; depth++) {
    parent = addDirectory(volume, parent, `${depth}`.padEnd(250, 'x')).ino;
  }
  const inode = volume.namespace.get(parent)!;
  const value = encodeBacktrace(volume.namespace, volume.bench.volume.id, inode);
  const found = decodeBacktrace(value);
  assert.ok(value.length <= 2048 && found && !found.complete && found.ancestors.length > 4);
});
