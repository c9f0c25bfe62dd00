/** A disk dies for good: what was elsewhere is there as before, and what is lost is named and can be restored in its place. */
import assert from 'node:assert/strict';
import {
  appendFile,
  chmod,
  copyFile,
  link,
  mkdir,
  open as openFile,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { must, run, type Result } from '../../scripts/lib/process.js';
import { shutDown } from '../loop-filesystem.js';
import { digestFile, MiB, noise, prose, put } from './content.js';
import { scenario, type TestVolume, type TierName } from './harness.js';

const OPTIONS = ['promote=never', 'settle=1s', 'cold-after=1h'];
const UNUSABLE = 4;

function refused({ code, stderr }: Result, pattern: RegExp): void {
  assert.equal(code, UNUSABLE, stderr);
  assert.match(stderr, pattern);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
}

interface Removed {
  tiers: { name: string }[];
  warnings: string[];
  lost: { files: number; partly: number; bytes: number; pins: number; list: string };
}

const lose = (volume: TestVolume, name: TierName) =>
  volume.json<Removed>('tier', 'remove', volume.path, name, '--lost');

/** Paths in a list, by name. */
async function listed(list: string): Promise<string[]> {
  const lines = (await readFile(list, 'utf8')).split('\n').slice(1, -1);
  return lines.map((line) => line.split('\t')[2]).sort();
}

async function assertLost(volume: TestVolume, names: readonly string[]): Promise<void> {
  for (const name of names)
    await assert.rejects(digestFile(volume.at(name)), { code: 'EIO' }, name);
}

async function assertWhole(volume: TestVolume, sums: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum, name);
}

/** Once what was deleted is given back. */
async function nothingIsWrong(volume: TestVolume): Promise<void> {
  await volume.must('gc', volume.mountpoint);
  assert.match(await volume.must('fsck', volume.mountpoint), /nothing is wrong/);
  assert.match(await volume.must('scrub', volume.mountpoint), /nothing is wrong/);
  const { health, problems } = await volume.status();
  assert.deepEqual([health, problems], ['ok', []]);
}

/** Files by name, as they were written, also to a folder beside the volume. */
class Backup {
  readonly sums = new Map<string, string>();
  constructor(private readonly volume: TestVolume) {}

  async put(name: string, data: Buffer): Promise<void> {
    await put(this.path(name), data);
    this.sums.set(name, await put(this.volume.at(name), data));
  }

  path(name: string): string {
    return join(this.volume.root, 'backup', name);
  }

  without(names: readonly string[]): Map<string, string> {
    return new Map([...this.sums].filter(([name]) => !names.includes(name)));
  }
}

const LOST = ['plain.db', 'packed', 'renamed', 'cut.db', 'rsynced', 'deleted', 'shared', 'link'];

/** Plain, packed and both, on one tier or two; the slow one is about to die. */
async function fill(volume: TestVolume): Promise<Backup> {
  const backup = new Backup(volume);
  const plain = ['plain.db', 'cut.db'];
  for (const [seed, name] of plain.entries()) await backup.put(name, noise(3 * MiB, seed));
  for (const [seed, name] of ['packed', 'renamed', 'rsynced', 'deleted'].entries()) {
    await backup.put(name, seed % 2 ? prose(3 * MiB, 10 + seed) : noise(3 * MiB, 10 + seed));
  }
  await backup.put('hot', noise(3 * MiB, 20));
  await backup.put('plain elsewhere', noise(3 * MiB, 21));
  await backup.put('packed elsewhere', noise(3 * MiB, 22));
  await backup.put('hot elsewhere', noise(3 * MiB, 23));
  await backup.put('folder/pinned', noise(MiB, 24));
  await backup.put('empty', Buffer.alloc(0));
  const parts = ['packed', 'packed elsewhere'].map((name) => readFile(backup.path(name)));
  await backup.put('shared', Buffer.concat(await Promise.all(parts)));
  for (const name of ['renamed', 'rsynced', 'deleted', 'packed', 'hot elsewhere']) {
    await volume.demote(name, 'hdd');
  }
  for (const name of plain) {
    await volume.demote(name, 'hdd');
    assert.equal((await volume.where(name)).form, 'plain');
  }
  await volume.must('pin', volume.at('plain.db'), '--to', 'hdd');
  for (const name of ['packed elsewhere', 'shared', 'hot']) await volume.demote(name, 'ssd');
  await volume.promote('hot elsewhere', 'nvme');
  await volume.promote('hot', 'hdd');
  await volume.must('pin', volume.at('folder'), '--to', 'nvme');
  await link(volume.at('plain.db'), volume.at('link'));
  await chmod(volume.at('plain.db'), 0o640);
  return backup;
}

/** The disk falls out and is never seen again. */
async function die(volume: TestVolume, name: TierName): Promise<void> {
  await must('umount', [volume.tier(name)]);
}

scenario(
  'a disk that died for good takes along only what was nowhere else, and that can be restored',
  { media: 'loop', mount: OPTIONS },
  async (volume) => {
    const backup = await fill(volume);
    const { mtimeMs } = await stat(volume.at('plain.db'));
    refused(
      await volume.run('tier', 'remove', volume.path, 'hdd', '--lost'),
      /while it is mounted/,
    );
    await volume.unmount();
    refused(
      await volume.run('tier', 'remove', volume.path, 'hdd', '--lost'),
      /hdd is there, so it/,
    );
    await die(volume, 'hdd');
    refused(await volume.run('mount', volume.path, volume.mountpoint), /hdd has lost its marker/);
    const remedy = /only there: 7 files with 24\.0 MiB, 1 of them in part\): .* hdd --lost$/m;
    refused(await volume.run('tier', 'remove', volume.path, 'hdd'), remedy);

    const { tiers, warnings, lost } = await lose(volume, 'hdd');
    assert.deepEqual([tiers.map(({ name }) => name), warnings], [['nvme', 'ssd'], []]);
    assert.deepEqual([lost.files, lost.partly, lost.bytes, lost.pins], [7, 1, 24 * MiB, 1]);
    assert.deepEqual(await listed(lost.list), LOST.map((name) => `/${name}`).sort());

    await volume.mount(OPTIONS);
    const { health, problems, tiers: left } = await volume.status();
    assert.deepEqual([health, left.map(({ name }) => name)], ['degraded', ['nvme', 'ssd']]);
    assert.match(problems.join(), /damaged chunks: \d+; .*lost with a tier: 2; fsck names them/);
    await assertWhole(volume, backup.without(LOST));
    await assertLost(volume, LOST);
    const head = await must('head', ['-c', String(2 * MiB), volume.at('deleted')]).catch(() => '');
    assert.equal(head, '', 'no zeros either');
    const found = await stat(volume.at('plain.db'));
    assert.deepEqual([found.size, found.nlink, found.mode & 0o777], [3 * MiB, 2, 0o640]);
    assert.equal(found.mtimeMs, mtimeMs);
    assert.deepEqual((await volume.where('hot')).tier, 'ssd');
    assert.deepEqual((await volume.where('hot elsewhere')).form, 'plain');
    const { stdout } = await volume.run('fsck', volume.mountpoint);
    assert.match(stdout, /^fsck: 7 problems/m);
    for (const name of LOST.slice(1, 7)) assert.match(stdout, new RegExp(`\\(/${name}\\)`));

    const scrubbed = await volume.run('scrub', volume.mountpoint);
    assert.match(scrubbed.stdout, /^scrub: 5 problems/m, 'those that are packed');

    await restore(volume, backup);
    await assertWhole(volume, backup.without(['renamed', 'deleted']));
    assert.equal(
      await digestFile(volume.at('link')),
      backup.sums.get('plain.db'),
      'one file still',
    );
    assert.equal(await digestFile(volume.at('other name')), backup.sums.get('renamed'));
    await nothingIsWrong(volume);
    await volume.remount(OPTIONS);
    await assertWhole(volume, backup.without(['renamed', 'deleted']));
    await nothingIsWrong(volume);
    await comeBack(volume);
  },
);

/** In all the ways that people do it. */
async function restore(volume: TestVolume, backup: Backup): Promise<void> {
  for (const name of ['plain.db', 'packed']) {
    await assert.rejects(appendFile(volume.at(name), 'more'), { code: 'EIO' });
    await assert.rejects(truncate(volume.at(name), MiB), { code: 'EIO' });
    const inPlace = ['conv=notrunc', 'bs=64k', 'count=1', 'if=/dev/zero', `of=${volume.at(name)}`];
    assert.match((await run('dd', inPlace)).stderr, /Input\/output error/);
    await assertLost(volume, [name]);
  }
  await must('cp', [backup.path('plain.db'), volume.at('plain.db')]);
  await must('truncate', ['-s', '0', volume.at('cut.db')]);
  await appendFile(volume.at('cut.db'), await readFile(backup.path('cut.db')));
  await must('rsync', ['-a', '--checksum', backup.path('rsynced'), volume.at('rsynced')]);
  await rename(volume.at('renamed'), volume.at('other name'));
  await must('mv', [backup.path('renamed'), volume.at('other name')]);
  await must('truncate', ['-s', '0', volume.at('deleted')]);
  await copyFile(backup.path('deleted'), volume.at('deleted'));
  assert.equal(await digestFile(volume.at('deleted')), backup.sums.get('deleted'));
  await rm(volume.at('deleted'));
  // The same content, packed, is what brings back those that share it.
  await assertLost(volume, ['packed', 'shared']);
  await mkdir(volume.at('import'));
  await volume.must('import', backup.path('packed'), volume.at('import'));
  const { storedBytes } = await volume.where('import/packed');
  assert.ok(storedBytes >= 3 * MiB);
  assert.ok((await volume.status()).tiers[1].packedBytes >= 8 * MiB, 'it is stored anew');
}

/** The disk is seen again after all. */
async function comeBack(volume: TestVolume): Promise<void> {
  await volume.unmount();
  const hdd = volume.tier('hdd');
  await must('mount', ['-o', 'loop', join(volume.root, 'hdd.img'), hdd]);
  const before = await readdir(hdd, { recursive: true });
  await volume.mount(OPTIONS);
  await nothingIsWrong(volume);
  await volume.unmount();
  const add = await volume.run('tier', 'add', volume.path, `hdd=${hdd},medium=hdd`);
  refused(
    add,
    /was tier hdd of this volume before, and is not empty .* can't be one again; remove /,
  );
  assert.deepEqual(await readdir(hdd, { recursive: true }), before);
  await rm(join(hdd, '.coral-reef'), { recursive: true });
  await volume.must('tier', 'add', volume.path, `hdd=${hdd},medium=hdd`);
  await volume.mount(OPTIONS);
  await volume.demote('cut.db', 'hdd');
  await nothingIsWrong(volume);
}

scenario(
  'the fastest disk dies with nearly everything, a crash comes on top, and what was packed is there',
  { media: 'loop', mount: OPTIONS },
  async (volume) => {
    const backup = new Backup(volume);
    for (let i = 0; i < 20; i++) await backup.put(`plain ${i}`, noise(MiB, i));
    await backup.put('packed', noise(3 * MiB, 30));
    await backup.put('hot', noise(3 * MiB, 31));
    for (const name of ['packed', 'hot']) await volume.demote(name, 'hdd');
    await volume.promote('hot');
    await must('sync', [volume.at('hot'), volume.at('.')]);
    await volume.killDaemon();
    await volume.removeDeadMount();
    for (const name of ['nvme', 'ssd'] as const) shutDown(volume.tier(name));
    const ssd = await lose(volume, 'ssd');
    assert.deepEqual([ssd.lost.files, ssd.lost.list], [0, null]);
    const { lost, warnings } = await lose(volume, 'nvme');
    assert.deepEqual([lost.files, warnings], [20, []]);
    refused(
      { ...(await volume.run('tier', 'remove', volume.path, 'hdd', '--lost')), code: UNUSABLE },
      /tier hdd is the only one of the volume/,
    );

    await volume.mount(OPTIONS);
    const gone = [...backup.sums.keys()].filter((name) => name.startsWith('plain'));
    await assertWhole(volume, backup.without(gone));
    await assertLost(volume, gone);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await volume.mount(OPTIONS);
    await assertLost(volume, gone);
    for (const name of gone.slice(10)) await rm(volume.at(name));
    for (const name of gone.slice(0, 5)) await must('cp', [backup.path(name), volume.at(name)]);
    for (const name of gone.slice(5, 10)) await copyFile(backup.path(name), volume.at(name));
    await assertWhole(volume, backup.without(gone.slice(10)));
    await nothingIsWrong(volume);
    await volume.remount(OPTIONS);
    await assertWhole(volume, backup.without(gone.slice(10)));
    await nothingIsWrong(volume);
  },
);

/** As if `remove --lost` had been killed once the volume had the tier no more; mounted read-only then. */
async function halfLost(volume: TestVolume): Promise<Backup> {
  const backup = await fill(volume);
  await volume.unmount();
  await rename(volume.tier('hdd'), join(volume.root, 'away'));
  const file = join(volume.path, 'volume.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { tiers: { name: string }[] };
  const tiers = config.tiers.filter(({ name }) => name !== 'hdd');
  await writeFile(file, JSON.stringify({ ...config, tiers, nextTier: 4 }));
  await volume.mount([...OPTIONS, 'ro']);
  return backup;
}

async function isSoundWithoutLost(volume: TestVolume): Promise<void> {
  for (const name of LOST) await rm(volume.at(name));
  await nothingIsWrong(volume);
}

scenario(
  'a tier that a crash left half given up is no tier at the next mount, and nothing else is lost',
  { mount: OPTIONS },
  async (volume) => {
    const backup = await halfLost(volume);
    await assertWhole(volume, backup.without(LOST));
    await assertLost(volume, LOST);
    await volume.unmount();
    await volume.mount(OPTIONS);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await volume.mount(OPTIONS);
    await assertWhole(volume, backup.without(LOST));
    await assertLost(volume, LOST);
    await isSoundWithoutLost(volume);
  },
);

scenario(
  'a mount that began as read-only puts the rest in order before programs may write',
  { mount: OPTIONS },
  async (volume) => {
    const backup = await halfLost(volume);
    const open = await openFile(volume.at('hot'));
    await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,rw');
    await appendFile(volume.at('hot'), 'more');
    const whole = Buffer.concat([await readFile(backup.path('hot')), Buffer.from('more')]);
    assert.ok((await open.readFile()).equals(whole));
    await open.close();
    assert.ok((await readFile(volume.at('hot'))).equals(whole));
    await assertWhole(volume, backup.without([...LOST, 'hot']));
    await assertLost(volume, LOST);
    assert.match((await volume.status()).problems.join(), /lost with a tier: 2; fsck names them/);
    await isSoundWithoutLost(volume);
  },
);

scenario(
  'packs that were saved from the dead disk bring back what is in them',
  { mount: OPTIONS },
  async (volume) => {
    const backup = new Backup(volume);
    await backup.put('packed', noise(3 * MiB, 1));
    await volume.demote('packed', 'hdd');
    await volume.unmount();
    const saved = join(volume.root, 'saved.pack');
    const [pack] = await volume.packs('hdd');
    await copyFile(pack, saved);
    await rm(volume.tier('hdd'), { recursive: true });
    await lose(volume, 'hdd');
    await volume.mount(OPTIONS);
    await assertLost(volume, ['packed']);
    await volume.unmount();
    const there = join(volume.tier('ssd'), '.coral-reef/packs', pack.split('/').at(-1)!);
    await copyFile(saved, there);
    await volume.mount(OPTIONS);
    await assertWhole(volume, backup.sums);
    await nothingIsWrong(volume);
  },
);

scenario(
  'a namespace from before a disk was taken out has all files that have another form',
  { mount: OPTIONS },
  async (volume) => {
    const backup = new Backup(volume);
    for (const [seed, name] of ['hot', 'packed', 'moved.db'].entries()) {
      await backup.put(name, noise(3 * MiB, seed));
    }
    await volume.demote('hot', 'hdd');
    await volume.promote('hot', 'ssd');
    await volume.demote('packed', 'ssd');
    await volume.demote('moved.db', 'ssd');
    await volume.unmount();
    const copy = join(volume.root, 'copy.mdb');
    await copyFile(join(volume.tier('hdd'), '.coral-reef/namespace-copy/data.mdb'), copy);
    await volume.mount(OPTIONS);
    await volume.must('tier', 'drain', volume.mountpoint, 'ssd', '--to', 'hdd');
    await volume.unmount();
    await volume.must('tier', 'remove', volume.path, 'ssd');
    await rm(join(volume.path, 'namespace'), { recursive: true });
    await mkdir(join(volume.path, 'namespace'));
    await copyFile(copy, join(volume.path, 'namespace/data.mdb'));
    await volume.mount(OPTIONS);
    const { form, tier } = await volume.where('hot');
    assert.deepEqual([form, tier], ['packed', 'hdd']);
    for (const name of ['hot', 'packed', 'moved.db']) {
      assert.equal(await digestFile(volume.at(name)), backup.sums.get(name), name);
    }
    const { stdout } = await volume.run('fsck', volume.mountpoint);
    assert.doesNotMatch(stdout, /\/hot|\/packed/);
  },
);

scenario(
  'what was given up by mistake is found again where the volume has the tier back',
  { mount: OPTIONS },
  async (volume) => {
    const backup = await fill(volume);
    await volume.unmount();
    const file = join(volume.path, 'volume.json');
    const before = await readFile(file);
    await rename(volume.tier('hdd'), join(volume.root, 'away'));
    await lose(volume, 'hdd');
    await volume.mount(OPTIONS);
    await assertLost(volume, LOST);
    await must('cp', [backup.path('cut.db'), volume.at('cut.db')]);
    await volume.unmount();
    await rename(join(volume.root, 'away'), volume.tier('hdd'));
    await writeFile(file, before);
    await volume.mount(OPTIONS);
    await assertWhole(volume, backup.sums);
    assert.deepEqual((await volume.status()).problems, []);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await volume.mount(OPTIONS);
    await assertWhole(volume, backup.sums);
  },
);
