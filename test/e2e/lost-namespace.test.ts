/** The disk of the namespace is lost: its copies on the tiers are not, nor what they do not know. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, scenario, type TestVolume } from './harness.js';
import { digestFile, MiB, noise, put } from './content.js';
import { must, sleep, waitFor } from '../../scripts/lib/process.js';

const SETTLE = ['settle=200ms'];
const database = (volume: TestVolume) => join(volume.path, 'namespace', 'data.mdb');
const copyOn = (volume: TestVolume, tier: 'nvme' | 'hdd') =>
  join(volume.tier(tier), '.coral-reef', 'namespace-copy', 'data.mdb');

/** As a person would, from a tier that has one. */
async function restore(volume: TestVolume, copy = copyOn(volume, 'hdd')): Promise<void> {
  await rm(join(volume.path, 'namespace'), { recursive: true });
  await mkdir(join(volume.path, 'namespace'));
  await copyFile(copy, database(volume));
}

async function crash(volume: TestVolume): Promise<void> {
  await volume.killDaemon();
  await volume.removeDeadMount();
}

scenario('a lost namespace is no new volume, and no copy of it is replaced', {}, async (volume) => {
  const plain = await put(volume.at('plain'), noise(3 * MiB, 1));
  const packed = await put(volume.at('packed'), noise(3 * MiB, 2));
  await volume.demote('packed');
  await volume.unmount();
  const copy = await readFile(copyOn(volume, 'nvme'));
  for (const lose of [
    () => truncate(database(volume), 0),
    () => rm(join(volume.path, 'namespace'), { recursive: true }),
  ]) {
    await lose();
    for (const verb of [
      ['mount', volume.path, volume.mountpoint],
      ['fsck', volume.path],
    ]) {
      const { code, stderr } = await volume.run(...verb);
      assert.equal(code, 4, stderr);
      assert.match(stderr, /is gone.*put the newest copy in its place.*cp .*namespace-copy/s);
    }
    assert.ok((await readFile(copyOn(volume, 'nvme'))).equals(copy));
  }
  await mkdir(join(volume.path, 'namespace'));
  await writeFile(database(volume), 'rubbish'.repeat(2000));
  const { code, stderr } = await volume.run('mount', volume.path, volume.mountpoint);
  assert.equal(code, 4);
  assert.match(stderr, /namespace-copy/);
  await restore(volume);
  await volume.mount();
  assert.equal(await digestFile(volume.at('plain')), plain);
  assert.equal(await digestFile(volume.at('packed')), packed);
  await volume.must('fsck', volume.mountpoint);
});

scenario('a volume that was never mounted needs no copy', { mount: null }, async (volume) => {
  await volume.mount();
  await put(volume.at('file'), noise(MiB));
});

scenario(
  'files that are newer than the copy keep their bytes',
  { mount: SETTLE },
  async (volume) => {
    const kept = await put(volume.at('kept'), noise(2 * MiB, 1));
    await put(volume.at('written'), noise(2 * MiB, 2));
    const moved = await put(volume.at('moved'), noise(2 * MiB, 3));
    const promoted = await put(volume.at('promoted'), noise(2 * MiB, 4));
    await put(volume.at('rewritten'), noise(2 * MiB, 5));
    await put(volume.at('packed since'), noise(2 * MiB, 8));
    await volume.demote('promoted');
    await volume.demote('rewritten');
    // The copy is made while the volume is in use, and then knows of files that were made ahead.
    await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,ro');
    await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,rw');
    const copy = join(volume.root, 'copy.mdb');
    await copyFile(copyOn(volume, 'hdd'), copy);

    const written = await put(volume.at('written'), noise(MiB, 6));
    const rewritten = await put(volume.at('rewritten'), noise(MiB, 7));
    await volume.must('pin', volume.at('moved'), '--to', 'ssd');
    await waitFor('it is there', async () => (await volume.where('moved')).tier === 'ssd');
    await volume.must('demote', volume.at('packed since'), '--wait');
    await volume.must('promote', volume.at('promoted'), '--wait');
    for (let i = 0; i < 5; i++) await put(volume.at(`new ${i}`), noise(200_000, 10 + i));
    await must('sync', [volume.at('new 4'), volume.at('.')]);
    await sleep(1500); // until they have their backtraces
    await crash(volume);
    const sums = await digestsOf(volume);

    await restore(volume, copy);
    await volume.mount();
    assert.ok(await exists(copyOn(volume, 'hdd')), 'there is a copy of what is right now');
    for (let round = 0; round < 3; round++) {
      assert.equal(await digestFile(volume.at('kept')), kept);
      assert.equal(await digestFile(volume.at('written')), written);
      assert.equal(await digestFile(volume.at('moved')), moved);
      assert.equal(await digestFile(volume.at('promoted')), promoted);
      assert.equal(await digestFile(volume.at('rewritten')), rewritten);
      await put(volume.at(`after ${round}`), noise(100_000, 20 + round));
      // What has no name is neither removed nor overwritten, not by the next crash either.
      const there = await digestsOf(volume);
      for (const [path, sum] of sums) assert.equal(there.get(path), sum, path);
      await crash(volume);
      await volume.mount();
    }
    // Which packs have it only the namespace knew that is lost.
    await assert.rejects(digestFile(volume.at('packed since')), { code: 'ENOENT' });
    const { code, stdout } = await volume.run('fsck', volume.mountpoint);
    assert.equal(code, 1);
    assert.match(stdout, /no file has its bytes in .*, which was \/new 0/);
    assert.match(stdout, /^fsck: 6 problems/m, 'five files, and the one that was packed since');
    assert.ok(await exists(`${copyOn(volume, 'hdd')}.1`), 'the copy that may be newer is kept');
  },
);

/** Of all backing files with bytes, by their paths. */
async function digestsOf(volume: TestVolume): Promise<Map<string, string>> {
  const roots = [volume.tier('nvme'), volume.tier('ssd'), volume.tier('hdd')];
  const found = await must('find', [
    ...roots,
    '-path',
    '*/files/*',
    '-type',
    'f',
    '-size',
    '+100k',
  ]);
  const sums = new Map<string, string>();
  for (const path of found.trim().split('\n')) sums.set(path, await digestFile(path));
  return sums;
}

scenario('what moved into a pack that the copy knows is found there', {}, async (volume) => {
  const kept = await put(volume.at('x'), noise(5 * MiB, 1));
  await put(volume.at('y'), noise(20 * MiB, 2));
  await volume.demote('x');
  await volume.demote('y');
  await volume.remount();
  await put(volume.at('z'), noise(MiB, 3));
  await volume.demote('z');
  await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,ro');
  await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,rw');
  const copy = join(volume.root, 'copy.mdb');
  await copyFile(copyOn(volume, 'hdd'), copy);
  await rm(volume.at('y'));
  const before = await volume.packs('hdd');
  await volume.must('gc', volume.mountpoint);
  assert.notDeepEqual(await volume.packs('hdd'), before, 'x has moved to another pack');
  await crash(volume);

  await restore(volume, copy);
  await volume.mount();
  assert.equal(await digestFile(volume.at('x')), kept);
  await volume.must('gc', volume.mountpoint);
  assert.equal(await digestFile(volume.at('x')), kept);
  const { stdout } = await volume.run('fsck', volume.mountpoint);
  assert.doesNotMatch(stdout, /unknown-pack|was not written under/);
});
