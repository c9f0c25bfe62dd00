/** A disk is emptied while the volume is used, and taken out: every file is read from the others afterwards. */
import assert from 'node:assert/strict';
import { link, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, sleep, waitFor, type Result } from '../../scripts/lib/process.js';
import { digest, digestFile, MiB, noise, prose, put } from './content.js';
import { scenario, type TestVolume, type TierName } from './harness.js';

const OPTIONS = ['promote=never', 'settle=1s', 'cold-after=1h'];
const UNUSABLE = 4;

function refused({ code, stderr, stdout }: Result, exitCode: number, pattern: RegExp): void {
  assert.equal(code, exitCode, stderr);
  assert.match(stderr, pattern);
  assert.equal(stdout, '');
}

async function nothingIsWrong(volume: TestVolume): Promise<void> {
  assert.match(await volume.must('fsck', volume.mountpoint), /nothing is wrong/);
  assert.match(await volume.must('scrub', volume.mountpoint), /nothing is wrong/);
}

const drain = (volume: TestVolume, from: TierName, to: TierName): Promise<Result> =>
  volume.run('tier', 'drain', volume.mountpoint, from, '--to', to);

const stateOf = async (volume: TestVolume, name: TierName) =>
  (await volume.status()).tiers.find((tier) => tier.name === name);

/** Files of all kinds, most of them on `tier`. @returns digests by name */
async function fill(volume: TestVolume, tier: TierName): Promise<Map<string, string>> {
  const other = tier === 'hdd' ? 'ssd' : 'hdd';
  const shared = noise(2 * MiB, 50);
  const sums = new Map<string, string>();
  const add = async (name: string, data: Buffer) =>
    void sums.set(name, await put(volume.at(name), data));
  await add('plain', noise(3 * MiB, 1));
  await add('packed', prose(3 * MiB, 2));
  await add('hot', noise(2 * MiB, 3));
  await add('hot elsewhere', noise(2 * MiB, 4));
  await add('elsewhere', Buffer.concat([shared, noise(MiB, 5)]));
  await add('shares', Buffer.concat([noise(MiB, 6), shared]));
  await add('empty', Buffer.alloc(0));
  await add('hole', Buffer.alloc(4 * MiB));
  for (let i = 0; i < 200; i++) await add(`small/${i}`, prose(3000 + i, 100 + i));
  await link(volume.at('plain'), volume.at('second name'));
  sums.set('second name', sums.get('plain')!);
  const demote = (name: string, to: TierName) => volume.demote(name, to);
  // What `elsewhere` has in common with it lies on this tier.
  await demote('shares', tier);
  await demote('elsewhere', other);
  await demote('packed', tier);
  await demote('small', tier);
  await demote('hot', tier);
  await volume.promote('hot', tier);
  await demote('hot elsewhere', other);
  await volume.promote('hot elsewhere', tier);
  if (tier !== 'nvme') await volume.promote('plain', tier);
  return sums;
}

async function allThere(volume: TestVolume, sums: Map<string, string>): Promise<void> {
  for (const [name, sum] of sums) assert.equal(await digestFile(volume.at(name)), sum, name);
}

for (const [from, to] of [
  ['nvme', 'hdd'],
  ['ssd', 'nvme'],
  ['hdd', 'nvme'],
] as const) {
  scenario(
    `all that is on ${from} goes to ${to}, and the volume goes on without it`,
    { media: 'loop', mount: OPTIONS },
    async (volume) => {
      const sums = await fill(volume, from);
      const before = await stateOf(volume, from);
      assert.ok(before!.plainBytes > 0 && before!.packedBytes > 0);
      const { stderr, code } = await drain(volume, from, to);
      assert.equal(code, 0, stderr);
      const after = await stateOf(volume, from);
      assert.deepEqual([after?.plainBytes, after?.packedBytes, after?.state], [0, 0, 'full']);
      await allThere(volume, sums);
      sums.set('new', await put(volume.at('new'), noise(MiB, 60)));
      assert.notEqual((await volume.where('new')).tier, from);
      refused(await volume.run('demote', volume.at('new'), '--to', from, '--wait'), 1, /emptied/);
      await nothingIsWrong(volume);

      await volume.unmount();
      const files = await must('find', [
        volume.tier(from),
        '-path',
        '*/.coral-reef/*',
        '-type',
        'f',
      ]);
      assert.doesNotMatch(files, /\.coral-reef\/(files|packs|incoming)\//);
      await volume.must('tier', 'remove', volume.path, from);
      assert.deepEqual(
        (await readdir(volume.tier(from))).filter((name) => name !== 'lost+found'),
        [],
      );
      await must('umount', [volume.tier(from)]);
      await volume.mount(OPTIONS);
      assert.equal(await stateOf(volume, from), undefined);
      await allThere(volume, sums);
      await volume.promote('packed', to);
      await nothingIsWrong(volume);
      await volume.unmount();

      // An empty disk in its place is another tier.
      await volume.must('tier', 'add', volume.path, `${from}=${volume.tier(from)},medium=${from}`);
      const { tiers } = await volume.json<{ tiers: { id: number; name: string }[] }>(
        'tier',
        'list',
        volume.path,
      );
      assert.equal(tiers.find(({ name }) => name === from)?.id, 4);
      await volume.mount(OPTIONS);
      await volume.demote('new', from);
      await allThere(volume, sums);
      await nothingIsWrong(volume);
    },
  );
}

scenario(
  'programs that have files open go on, and the tier is empty once they are closed',
  { mount: OPTIONS },
  async (volume) => {
    const sum = await put(volume.at('read'), noise(4 * MiB, 1));
    await put(volume.at('deleted'), noise(MiB, 2));
    const [reader, deleted] = [await open(volume.at('read')), await open(volume.at('deleted'))];
    const writer = await open(volume.at('written'), 'w');
    const parts: Buffer[] = [];
    const append = async (seed: number) => {
      parts.push(noise(200_000, seed));
      await writer.write(parts.at(-1)!);
    };
    await append(10);
    await rm(volume.at('deleted'));
    let ended = false;
    const draining = drain(volume, 'nvme', 'hdd').finally(() => (ended = true));
    await waitFor(
      'it takes nothing new',
      async () => (await stateOf(volume, 'nvme'))?.state === 'full',
    );
    for (let i = 0; i < 10; i++) {
      await append(11 + i);
      await sleep(100);
    }
    const busy = await drain(volume, 'nvme', 'ssd');
    refused(busy, 1, /tier nvme is being emptied already/);
    await sleep(3000);
    assert.ok(!ended, 'files are open');
    const buffer = Buffer.alloc(MiB);
    await deleted.read(buffer, 0, MiB, 0);
    assert.ok(buffer.equals(noise(MiB, 2)));
    for (const file of [writer, reader, deleted]) await file.close();
    const { code, stderr } = await draining;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /read.*is open; it moves once it is closed|written.*is open/);
    assert.equal(await digestFile(volume.at('written')), digest(Buffer.concat(parts)));
    assert.equal(await digestFile(volume.at('read')), sum);
    assert.equal((await stateOf(volume, 'nvme'))?.plainBytes, 0);
    await nothingIsWrong(volume);
  },
);

scenario('a tier is emptied once moves go on', { mount: OPTIONS }, async (volume) => {
  const sum = await put(volume.at('file'), noise(MiB, 1));
  const packed = await put(volume.at('packed'), noise(MiB, 2));
  await volume.demote('packed', 'nvme');
  await volume.must('migration', 'pause', volume.mountpoint);
  const draining = drain(volume, 'nvme', 'hdd');
  await waitFor('it begins', async () => (await stateOf(volume, 'nvme'))?.state === 'full');
  await sleep(1500);
  const { plainBytes, packedBytes } = (await stateOf(volume, 'nvme'))!;
  assert.ok(plainBytes >= MiB && packedBytes >= MiB);
  await volume.must('migration', 'resume', volume.mountpoint);
  const { code, stderr } = await draining;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /moves stand still; coral-reef migration resume .* lets them go on/);
  assert.equal(await digestFile(volume.at('file')), sum);
  assert.equal(await digestFile(volume.at('packed')), packed);
  await nothingIsWrong(volume);
});

scenario(
  'a tier that can not be emptied says why, and is used as before',
  { mount: OPTIONS, capacity: { ssd: '4MiB' } },
  async (volume) => {
    const sum = await put(volume.at('large'), noise(8 * MiB, 1));
    const pinned = await put(volume.at('folder/pinned'), noise(MiB, 2));
    refused(await drain(volume, 'nvme', 'ssd'), 1, /could not be emptied: .*large.* bytes free/);
    assert.equal((await stateOf(volume, 'nvme'))?.state, 'ok');
    await volume.must('pin', volume.at('folder'), '--to', 'nvme');
    refused(
      await drain(volume, 'nvme', 'hdd'),
      1,
      /folder is pinned to it\. First: coral-reef unpin/,
    );
    refused(await drain(volume, 'nvme', 'nvme'), 2, /to itself/);
    refused(await volume.run('tier', 'drain', volume.mountpoint, 'nvme'), 2, /--to/);
    refused(
      await volume.run('tier', 'drain', volume.mountpoint, 'nvm', '--to', 'hdd'),
      2,
      /nvme\?/,
    );
    await volume.must('unpin', volume.at('folder'));
    await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,ro');
    refused(await drain(volume, 'nvme', 'hdd'), 1, /mounted read-only/);
    await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,rw');
    await put(volume.at('new'), noise(MiB, 3));
    assert.equal((await volume.where('new')).tier, 'nvme');
    assert.equal(await digestFile(volume.at('large')), sum);
    assert.equal(await digestFile(volume.at('folder/pinned')), pinned);
  },
);

scenario('a tier with anything on it is not taken out', { mount: OPTIONS }, async (volume) => {
  const remove = (name: string) => volume.run('tier', 'remove', volume.path, name);
  const plain = await put(volume.at('plain'), noise(MiB, 1));
  const packed = await put(volume.at('packed'), noise(MiB, 2));
  await volume.demote('packed');
  await mkdir(volume.at('folder'));
  await volume.must('pin', volume.at('folder'), '--to', 'ssd');
  refused(await remove('hdd'), UNUSABLE, /while it is mounted/);
  await volume.unmount();
  const before = await readFile(join(volume.path, 'volume.json'), 'utf8');
  refused(
    await remove('nvme'),
    UNUSABLE,
    /there still are 1 file, \d+ bytes\. .*tier drain MOUNTPOINT nvme/,
  );
  refused(await remove('hdd'), UNUSABLE, /there still are 1 file, 1 pack, \d+ bytes/);
  refused(await remove('ssd'), UNUSABLE, /there still are 1 pin/);
  refused(await remove('sd'), 2, /did you mean ssd/);
  await volume.mount(OPTIONS);
  await volume.must('unpin', volume.at('folder'));
  await volume.unmount();
  const stranger = join(volume.tier('ssd'), '.coral-reef/files/07/7');
  await writeFile(stranger, 'who knows');
  refused(await remove('ssd'), UNUSABLE, /there still are .*files\/07\/7/);
  await rm(stranger);
  assert.equal(await readFile(join(volume.path, 'volume.json'), 'utf8'), before);
  await volume.must('tier', 'remove', volume.path, 'ssd');
  await volume.mount(OPTIONS);
  assert.equal(await digestFile(volume.at('plain')), plain);
  assert.equal(await digestFile(volume.at('packed')), packed);
  await nothingIsWrong(volume);
  assert.equal((await drain(volume, 'hdd', 'nvme')).code, 0);
  await volume.unmount();
  await rm(volume.tier('hdd'), { recursive: true });
  refused(await remove('hdd'), UNUSABLE, /does not exist.* Only a tier that is there/);
  await mkdir(volume.tier('hdd'));
  refused(await remove('hdd'), UNUSABLE, /has lost its marker/);
});

scenario(
  'a tier is not taken out where the namespace that knows what is on it is gone',
  { mount: null },
  async (volume) => {
    const remove = () => volume.run('tier', 'remove', volume.path, 'hdd');
    await volume.must('tier', 'set', volume.path, 'ssd', '--capacity', '1G');
    await volume.mount(OPTIONS);
    const sum = await put(volume.at('file'), noise(MiB));
    await volume.demote('file');
    await volume.unmount();
    const database = join(volume.path, 'namespace/data.mdb');
    const saved = await readFile(database);
    await rm(database);
    refused(await remove(), UNUSABLE, /in its namespace, which is gone/);
    await rm(join(volume.tier('hdd'), '.coral-reef/generation.json'));
    refused(await remove(), UNUSABLE, /in its namespace, which is gone/);
    await writeFile(database, saved);
    refused(await remove(), UNUSABLE, /there still are 1 file, 1 pack/);
    await volume.mount(OPTIONS);
    assert.equal(await digestFile(volume.at('file')), sum);
  },
);

scenario('a volume that was never mounted has nothing to lose', { mount: null }, async (volume) => {
  await volume.must('tier', 'remove', volume.path, 'ssd');
  await volume.mount();
  assert.equal(await stateOf(volume, 'ssd'), undefined);
});

scenario('the only tier stays', { mount: OPTIONS }, async (volume) => {
  const sum = await put(volume.at('file'), noise(MiB));
  await volume.unmount();
  for (const name of ['ssd', 'hdd']) await volume.must('tier', 'remove', volume.path, name);
  refused(await volume.run('tier', 'remove', volume.path, 'nvme'), 2, /is the only one/);
  await volume.mount();
  assert.equal(await digestFile(volume.at('file')), sum);
});

scenario(
  'a crash or an unmount in the middle loses nothing, and the rest goes the next time',
  { mount: OPTIONS },
  async (volume) => {
    const slowly = [...OPTIONS, 'migrate-rate=10M'];
    const sums = new Map<string, string>();
    for (let i = 0; i < 9; i++) sums.set(`${i}`, await put(volume.at(`${i}`), noise(4 * MiB, i)));
    for (let i = 0; i < 5; i++) await volume.demote(`${i}`, 'ssd');
    await volume.must('tier', 'drain', volume.mountpoint, 'nvme', '--to', 'ssd');
    await volume.remount(slowly);
    const plain = async (name: TierName) => (await stateOf(volume, name))!.plainBytes;
    const whole = await plain('ssd');
    assert.ok(whole >= 16 * MiB);
    for (const [end, reached] of [
      ['crash', async () => (await plain('ssd')) < whole],
      ['unmount', async () => (await plain('ssd')) < whole / 2],
      // Then the packs are on their way, all in one step.
      ['crash', async () => (await plain('ssd')) === 0],
      ['unmount', async () => (await plain('ssd')) === 0],
    ] as const) {
      const draining = drain(volume, 'ssd', 'hdd');
      await waitFor('it is on its way', reached);
      await sleep(300);
      assert.ok((await stateOf(volume, 'ssd'))!.packedBytes >= 20 * MiB, 'it is not done');
      if (end === 'crash') {
        await volume.killDaemon();
        await volume.removeDeadMount();
      } else await volume.unmount();
      assert.notEqual((await draining).code, 0);
      refused(await volume.run('tier', 'remove', volume.path, 'ssd'), UNUSABLE, /there still are/);
      await volume.mount(slowly);
      await allThere(volume, sums);
      await nothingIsWrong(volume);
    }
    assert.equal((await drain(volume, 'ssd', 'hdd')).code, 0);
    await volume.unmount();
    await volume.must('tier', 'remove', volume.path, 'ssd');
    await volume.mount(OPTIONS);
    await allThere(volume, sums);
    await nothingIsWrong(volume);
  },
);

scenario(
  'an import that began before comes to its end, and nothing of it stays behind',
  { mount: OPTIONS },
  async (volume) => {
    const source = join(volume.root, 'source');
    const data = noise(300 * MiB);
    await put(join(source, 'large'), data);
    const importing = volume.must('import', source, volume.mountpoint, '--to', 'hdd');
    await waitFor('it is under way', async () => (await volume.tierBytes('hdd')) > 20 * MiB);
    assert.equal((await drain(volume, 'hdd', 'ssd')).code, 0);
    await importing;
    assert.equal((await volume.where('source/large')).tier, 'ssd');
    assert.equal(await digestFile(volume.at('source/large')), digest(data));
    assert.deepEqual(await volume.packs('hdd'), []);
    await volume.unmount();
    await volume.must('tier', 'remove', volume.path, 'hdd');
  },
);
