/** A volume whose disks change: one more, a larger one in the place of another, another capacity. No byte is lost by it. */
import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, type Result } from '../../scripts/lib/process.js';
import { mountImage } from '../loop-filesystem.js';
import { digestFile, MiB, noise, prose, put } from './content.js';
import { exists, scenario, type TestVolume } from './harness.js';

const OPTIONS = ['promote=never', 'settle=1s', 'cold-after=1h'];
const USAGE = 2;
const UNUSABLE = 4;

interface Listed {
  mountpoint: string | null;
  tiers: {
    id: number;
    name: string;
    medium: string;
    path: string;
    capacity: number | null;
    state: string;
  }[];
}

const list = (volume: TestVolume, place = volume.path) =>
  volume.json<Listed>('tier', 'list', place);

/** Names in order. */
async function order(volume: TestVolume): Promise<string> {
  return (await list(volume)).tiers.map(({ name }) => name).join(' ');
}

function refused({ code, stderr, stdout }: Result, exitCode: number, pattern: RegExp): void {
  assert.equal(code, exitCode, stderr);
  assert.match(stderr, pattern);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
  assert.equal(stdout, '');
}

async function nothingIsWrong(volume: TestVolume): Promise<void> {
  assert.match(await volume.must('fsck', volume.mountpoint), /nothing is wrong/);
  assert.match(await volume.must('scrub', volume.mountpoint), /nothing is wrong/);
}

/** An empty directory beside the tiers. */
async function directory(volume: TestVolume, name: string): Promise<string> {
  await mkdir(join(volume.root, name));
  return join(volume.root, name);
}

async function demote(volume: TestVolume, name: string, to: string): Promise<void> {
  await volume.must('demote', volume.at(name), '--to', to, '--wait');
}

scenario(
  'a disk is added to a volume with data, takes files, and survives the loss of the namespace',
  { media: 'loop', mount: OPTIONS },
  async (volume) => {
    const kept = await put(volume.at('kept'), noise(3 * MiB, 1));
    const packed = await put(volume.at('packed'), prose(3 * MiB, 2));
    const moving = await put(volume.at('moving'), noise(5 * MiB, 3));
    await volume.demote('packed');
    const archive = await directory(volume, 'archive');
    mountImage('xfs', join(volume.root, 'archive.img'), archive, 512 * MiB);
    const add = ['tier', 'add', volume.path, `archive=${archive},medium=hdd`];
    refused(await volume.run(...add), UNUSABLE, /while it is mounted, at .*: coral-reef unmount /);
    assert.ok(!(await exists(join(archive, '.coral-reef'))));
    await volume.unmount();
    await volume.must(...add);
    assert.equal(await order(volume), 'nvme ssd hdd archive');

    await volume.mount(OPTIONS);
    const { tiers, mountpoint } = await list(volume, volume.mountpoint);
    assert.equal(mountpoint, volume.mountpoint);
    assert.deepEqual(
      { ...tiers[3] },
      {
        id: 4,
        name: 'archive',
        medium: 'hdd',
        path: archive,
        capacity: null,
        state: 'ok',
        problem: null,
      },
    );
    await demote(volume, 'moving', 'archive');
    const where = await volume.where('moving');
    assert.deepEqual([where.tier, where.form], ['archive', 'packed']);
    assert.equal(await digestFile(volume.at('moving')), moving);
    assert.equal(await digestFile(volume.at('packed')), packed);
    await nothingIsWrong(volume);

    await volume.unmount();
    await rm(join(volume.path, 'namespace'), { recursive: true });
    await mkdir(join(volume.path, 'namespace'));
    const copy = join(archive, '.coral-reef/namespace-copy/data.mdb');
    await copyFile(copy, join(volume.path, 'namespace/data.mdb'));
    await volume.mount(OPTIONS);
    assert.equal(await digestFile(volume.at('moving')), moving);
    assert.equal(await digestFile(volume.at('packed')), packed);
    assert.equal(await digestFile(volume.at('kept')), kept);
    await nothingIsWrong(volume);
  },
);

scenario(
  'tiers added in front and in between leave files and pins where they are, and new files go to the first',
  { mount: OPTIONS },
  async (volume) => {
    const sums = new Map<string, string>();
    for (const [seed, name] of ['plain', 'packed', 'pinned', 'promoted'].entries()) {
      sums.set(name, await put(volume.at(name), noise(2 * MiB, seed)));
    }
    await volume.demote('packed');
    await volume.demote('promoted', 'ssd');
    await volume.promote('promoted');
    await volume.must('pin', volume.at('pinned'), '--to', 'nvme');
    await volume.unmount();
    const optane = await directory(volume, 'optane');
    const middle = await directory(volume, 'middle');
    await volume.must('tier', 'add', volume.path, `middle=${middle},medium=ssd`);
    await volume.must(
      'tier',
      'add',
      volume.path,
      `optane=${optane},medium=nvme`,
      '--before',
      'nvme',
    );
    assert.equal(await order(volume), 'optane nvme ssd middle hdd');

    await volume.mount(OPTIONS);
    const before = ['nvme plain', 'hdd packed', 'nvme plain', 'nvme plain'];
    const now = [];
    for (const name of sums.keys()) {
      const { tier, form } = await volume.where(name);
      now.push(`${tier} ${form}`);
    }
    assert.deepEqual(now, before);
    assert.equal((await volume.where('pinned')).pinned, 'nvme');
    await put(volume.at('new'), noise(MiB, 9));
    assert.equal((await volume.where('new')).tier, 'optane');
    await volume.must('demote', volume.at('plain'), '--wait');
    assert.equal((await volume.where('plain')).tier, 'hdd', 'the slowest, as before');
    await demote(volume, 'new', 'middle');
    assert.equal((await volume.where('new')).tier, 'middle');
    await volume.must('promote', volume.at('packed'), '--wait');
    assert.equal((await volume.where('packed')).tier, 'optane');
    for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum, name);
    await nothingIsWrong(volume);
    await volume.remount(OPTIONS);
    for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum, name);
    for (const { state } of (await list(volume)).tiers) assert.equal(state, 'ok');
  },
);

scenario(
  'a crash while a disk is added leaves a volume that mounts, and adding it again works',
  { mount: OPTIONS },
  async (volume) => {
    const sum = await put(volume.at('file'), noise(2 * MiB));
    await must('sync', [volume.at('file')]);
    await volume.killDaemon();
    await volume.removeDeadMount();
    const path = await directory(volume, 'more');
    const before = await readFile(join(volume.path, 'volume.json'), 'utf8');
    const add = ['tier', 'add', volume.path, `more=${path},medium=hdd`];
    await volume.must(...add);
    // As if the last step had not been made: the tier is marked, and the volume does not have it.
    const after = await readFile(join(volume.path, 'volume.json'), 'utf8');
    await writeFile(
      join(volume.path, 'volume.json'),
      before.replace(/\n}\n$/, ',\n  "nextTier": 5\n}\n'),
    );
    await writeFile(join(volume.path, 'volume.json.new'), after);
    await volume.mount(OPTIONS);
    assert.equal(await digestFile(volume.at('file')), sum);
    await volume.unmount();
    assert.equal(await order(volume), 'nvme ssd hdd');
    await volume.must(...add);
    await volume.mount(OPTIONS);
    await demote(volume, 'file', 'more');
    assert.equal(await digestFile(volume.at('file')), sum);
    assert.equal((await list(volume)).tiers[3].id, 5);
    await nothingIsWrong(volume);
  },
);

scenario(
  'a changed capacity is what the next mount goes by',
  { mount: OPTIONS },
  async (volume) => {
    await put(volume.at('file'), noise(8 * MiB));
    await volume.unmount();
    const set = ['tier', 'set', volume.path, 'ssd'];
    await volume.must(...set, '--capacity', '4MiB');
    await volume.mount(OPTIONS);
    assert.equal((await volume.status()).tiers[1].capacity, 4 * MiB);
    const full = await volume.run('demote', volume.at('file'), '--to', 'ssd', '--wait');
    refused(full, 1, /tier ssd has \d+ bytes free|no space|full/);
    assert.equal((await volume.where('file')).tier, 'nvme');
    refused(await volume.run(...set, '--capacity', 'none'), UNUSABLE, /while it is mounted/);
    await volume.unmount();
    refused(await volume.run(...set, '--capacity', '0'), USAGE, /capacity "0" is not allowed/);
    await volume.must(...set, '--capacity', 'none', '--medium', 'hdd');
    await volume.mount(OPTIONS);
    await volume.demote('file', 'ssd');
    assert.equal((await volume.where('file')).tier, 'ssd');
    assert.equal((await volume.status()).tiers[1].medium, 'hdd');
  },
);

scenario(
  'a tier whose disk is mounted elsewhere, or was copied to another one, is found there',
  { media: 'loop', mount: OPTIONS },
  async (volume) => {
    const plain = await put(volume.at('plain'), noise(3 * MiB, 1));
    const packed = await put(volume.at('packed'), noise(3 * MiB, 2));
    await demote(volume, 'packed', 'hdd');
    await volume.unmount();
    const moved = await directory(volume, 'moved');
    await must('umount', [volume.tier('hdd')]);
    await must('mount', ['-o', 'loop', join(volume.root, 'hdd.img'), moved]);
    refused(await volume.run('mount', volume.path, volume.mountpoint), UNUSABLE, /tier hdd/);
    assert.equal((await list(volume)).tiers[2].state, 'missing');
    await volume.must('tier', 'set', volume.path, 'hdd', '--path', moved);

    const large = await directory(volume, 'large');
    mountImage('xfs', join(volume.root, 'large.img'), large, 512 * MiB);
    await must('rsync', ['-aSX', `${volume.tier('nvme')}/`, `${large}/`]);
    await volume.must('tier', 'set', volume.path, 'nvme', '--path', large, '--name', 'large');
    assert.equal(await order(volume), 'large ssd hdd');
    await must('umount', [volume.tier('nvme')]);
    await volume.mount(OPTIONS);
    assert.equal(await digestFile(volume.at('plain')), plain);
    assert.equal(await digestFile(volume.at('packed')), packed);
    assert.equal((await volume.where('plain')).tier, 'large');
    await nothingIsWrong(volume);
  },
);

scenario(
  'a copy that lacks something, or is older, does not take the place of a tier',
  { mount: OPTIONS },
  async (volume) => {
    const sum = await put(volume.at('file'), noise(MiB, 1));
    await put(volume.at('packed'), noise(MiB, 2));
    await put(volume.at('database'), noise(MiB, 3));
    await volume.demote('packed');
    await volume.remount(OPTIONS);
    const copies = await directory(volume, 'copies');
    const copy = async (name: 'nvme' | 'hdd', to: string) => {
      await cp(volume.tier(name), join(copies, to), { recursive: true, preserveTimestamps: true });
      return join(copies, to);
    };
    const older = await copy('nvme', 'older');
    const stale = async () => {
      const file = await open(volume.at('database'), 'r+');
      await file.write('other bytes, the same length', 0);
      await file.utimes(Date.now() / 1000, Date.now() / 1000 + 60);
      await file.close();
    };
    await stale();
    await volume.unmount();
    const set = (name: string, path: string) =>
      volume.run('tier', 'set', volume.path, name, '--path', path);
    refused(await set('nvme', older), UNUSABLE, /has not all .*: .* is not as /);

    const half = await copy('nvme', 'half');
    const [file] = (await must('find', [join(half, '.coral-reef/files'), '-size', '+100k'])).split(
      '\n',
    );
    await rm(file);
    refused(await set('nvme', half), UNUSABLE, /has not all .* does not exist/);
    const cut = await copy('hdd', 'cut');
    const [pack] = (await must('find', [cut, '-name', '*.pack'])).split('\n');
    await must('truncate', ['-s', '-1', pack]);
    refused(await set('hdd', cut), UNUSABLE, /has not all .* bytes, not /);

    const whole = await copy('nvme', 'whole');
    await volume.mount(OPTIONS);
    await volume.unmount();
    refused(await set('nvme', whole), UNUSABLE, /was copied before the volume was mounted/);
    // The tier has been there for a mount: what lies at the old place is what is old.
    await rm(whole, { recursive: true });
    await copy('nvme', 'whole');
    await volume.mount([...OPTIONS, `tier.nvme=${whole}`]);
    const written = await put(volume.at('database'), noise(2 * MiB, 4));
    await volume.unmount();
    assert.equal((await set('nvme', whole)).code, 0);
    await volume.mount(OPTIONS);
    assert.equal(await digestFile(volume.at('database')), written);
    assert.equal(await digestFile(volume.at('file')), sum);
    await volume.must('fsck', volume.mountpoint);
  },
);

scenario(
  'a renamed tier keeps its pins, and what else names it is said before the next mount fails',
  { mount: OPTIONS },
  async (volume) => {
    await put(volume.at('pinned'), noise(MiB));
    await volume.must('pin', volume.at('pinned'), '--to', 'ssd');
    await volume.waitUntil('pinned', { tier: 'ssd' });
    await volume.unmount();
    const config = join(volume.path, 'config.yaml');
    await writeFile(config, 'rules:\n  - match: { path: "x/**" }\n    place: { tier: ssd }\n');
    const { code, stderr } = await volume.run('tier', 'set', volume.path, 'ssd', '--name', 'sata');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /the next mount is refused until this is mended: rules\[0\].* "ssd"/);
    refused(await volume.run('mount', volume.path, volume.mountpoint), USAGE, /rules\[0\].* "ssd"/);
    await rm(config);
    await volume.mount(OPTIONS);
    const { pinned, tier } = await volume.where('pinned');
    assert.deepEqual([pinned, tier], ['sata', 'sata']);
    await nothingIsWrong(volume);
  },
);

scenario('wrong words get one line each, and change nothing', { mount: null }, async (volume) => {
  const path = await directory(volume, 'more');
  const other = await directory(volume, 'other');
  await volume.must('init', join(volume.root, 'foreign'), '--tier', `x=${other}`);
  await mkdir(join(volume.tier('ssd'), 'inner'));
  const { path: at } = volume;
  const cases: [string[], number, RegExp][] = [
    [['add', at], USAGE, /something is missing\. Usage: coral-reef tier add VOLUME NAME=DIR/],
    [['add', at, `a=${path}`, 'b=/x'], USAGE, /"b=\/x" is one word too many/],
    [['add', at, path], USAGE, /expected NAME=DIR/],
    [['add', at, `a=${path},medium=tape`], USAGE, /medium "tape" is not allowed/],
    [['add', at, `a=${path},size=1G`], USAGE, /unknown word "size=1G"/],
    [['add', at, `a=${path}`, '--before', 'ssd', '--after', 'nvme'], USAGE, /Give one of them/],
    [['add', at, `a=${path}`, '--path', path], USAGE, /tier add has no --path/],
    [['add', at, `ssd=${path}`], USAGE, /has a tier ssd already/],
    [['add', at, `a=${other}`], UNUSABLE, /belongs to volume [0-9a-f]{32}/],
    [['add', at, `a=${volume.tier('ssd')}/inner`], UNUSABLE, /lies inside tier ssd/],
    [['add', at, `a=${volume.root}/absent`], UNUSABLE, /the directory does not exist/],
    [['add', path, `a=${path}`], UNUSABLE, /is not a Coral Reef volume/],
    [['set', at, 'ssd'], USAGE, /nothing to change/],
    [['set', at, 'ss', '--capacity', '1G'], USAGE, /no tier "ss"; did you mean ssd\?/],
    [['set', at, 'ssd', '--name', 'a b'], USAGE, /can't be a tier's name/],
    [['set', at, 'ssd', '--path', path], UNUSABLE, /has no marker/],
    [['lst'], USAGE, /"lst" is not allowed; did you mean list\?/],
    [['list', path], 3, /no Coral Reef mount/],
  ];
  const before = await readFile(join(at, 'volume.json'), 'utf8');
  for (const [words, code, pattern] of cases) {
    refused(await volume.run('tier', ...words), code, pattern);
  }
  const { code, stdout } = await volume.run('tier', 'add', at, `ssd=${path}`, '--json');
  assert.equal(code, USAGE);
  assert.equal((JSON.parse(stdout) as { error: { exitCode: number } }).error.exitCode, USAGE);
  assert.equal(await readFile(join(at, 'volume.json'), 'utf8'), before);
  assert.ok(!(await exists(join(path, '.coral-reef'))));
  await rename(path, `${path}2`);
  await volume.mount();
});
