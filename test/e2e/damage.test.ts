/** Media that lie or fail: damage is noticed, named, contained, and never returned as data. */
import assert from 'node:assert/strict';
import { open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { scenario, type TestVolume } from './harness.js';
import type { CheckDocument } from '../../src/daemon/documents.js';
import { digestFile, MiB, noise, prose, put } from './content.js';
import { text } from '../native/content-kit.js';
import { randomFrom } from '../seed.js';
import { must, waitFor } from '../../scripts/lib/process.js';

const dropCaches = () => must('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches']);

/** Flips one byte of every pack, and removes what would mend it. */
async function damagePacks(volume: TestVolume, at: number): Promise<void> {
  for (const pack of await volume.packs('hdd')) {
    await rm(pack.replace('.pack', '.parity'), { force: true });
    const handle = await open(pack, 'r+');
    const place = Math.floor((await stat(pack)).size * at);
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, place);
    await handle.write(Buffer.from([buffer[0] ^ 0x40]), 0, 1, place);
    await handle.sync();
    await handle.close();
  }
}

/** Flips one byte of a backing file on the fastest tier. */
async function damagePlain(volume: TestVolume, ino: number): Promise<void> {
  const number = ino.toString(16);
  const [path] = (await must('find', [volume.tier('nvme'), '-type', 'f', '-name', number]))
    .trim()
    .split('\n');
  const handle = await open(path, 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, 1000);
  await must('touch', ['-r', path, `${volume.root}/times`]);
  await handle.write(Buffer.from([buffer[0] ^ 0x40]), 0, 1, 1000);
  await handle.close();
  // Rot changes no times.
  await must('touch', ['-r', `${volume.root}/times`, path]);
}

scenario(
  'a damaged pack: its file fails with EIO, others are fine, fsck and scrub name it',
  { mount: ['promote=never', 'cold-after=1h'] },
  async (volume) => {
    const good = await put(volume.at('models/good.bin'), noise(6 * MiB));
    await put(volume.at('models/bad.bin'), noise(2 * MiB, 2));
    await volume.demote('models/good.bin');
    await volume.demote('models/bad.bin');
    const plain = await put(volume.at('plain.bin'), noise(MiB, 3));
    // Six of eight mebibytes are the good file's: seven eighths lies within the bad one.
    await volume.unmount();
    await damagePacks(volume, 7 / 8);
    await dropCaches();
    await volume.mount(['promote=never', 'cold-after=1h']);
    await assert.rejects(readFile(volume.at('models/bad.bin')), { code: 'EIO' });
    assert.equal(await digestFile(volume.at('models/good.bin')), good);
    assert.equal(await digestFile(volume.at('plain.bin')), plain);
    assert.match((await volume.status()).problems.join(), /damaged chunks: 1;/);
    for (const verb of ['scrub', 'fsck']) {
      const result = await volume.run(verb, volume.mountpoint);
      assert.equal(result.code, 1, verb);
      assert.match(result.stdout + result.stderr, /models\/bad\.bin/, verb);
      assert.doesNotMatch(result.stdout + result.stderr, /good\.bin/, verb);
    }
  },
);

scenario(
  'writing the same bytes again heals what was damaged',
  { mount: ['promote=never', 'cold-after=1h'] },
  async (volume) => {
    const data = noise(4 * MiB);
    const sum = await put(volume.at('first.bin'), data);
    await volume.demote('first.bin');
    await volume.unmount();
    await damagePacks(volume, 1 / 2);
    await dropCaches();
    await volume.mount(['promote=never', 'cold-after=1h']);
    await volume.run('scrub', volume.mountpoint);
    await put(volume.at('second.bin'), data);
    await volume.demote('second.bin');
    assert.equal(await digestFile(volume.at('second.bin')), sum);
    assert.equal(await digestFile(volume.at('first.bin')), sum);
  },
);

/** Repeats itself, and so becomes part of a chain. */
const note = (i: number): Buffer => text(10_000 + 300 * i, randomFrom(i));

/** A pack of many small files and a model, and what one place of it is overwritten with. */
async function damagedPlace(
  v: TestVolume,
): Promise<{ pack: string; bytes: Buffer; lose(): Promise<void> }> {
  for (let i = 0; i < 50; i++) await put(v.at(`notes/${i}.txt`), note(i));
  await put(v.at('model.bin'), noise(3 * MiB));
  await v.demote('notes');
  await v.demote('model.bin');
  await v.unmount();
  const [pack] = await v.packs('hdd');
  const bytes = await readFile(pack);
  /** Where the small files are, and far into the model. */
  const lose = async (): Promise<void> => {
    const lost = Buffer.from(bytes);
    for (const at of [9000, 2_000_000]) noise(6000, 9).copy(lost, at);
    await writeFile(pack, lost);
    await dropCaches();
  };
  return { pack, bytes, lose };
}

const QUIET = { mount: ['promote=never', 'cold-after=1h'] };

scenario('what one place of a pack lost is mended while it is read', QUIET, async (volume) => {
  const { pack, bytes, lose } = await damagedPlace(volume);
  await lose();
  await volume.mount(QUIET.mount);
  // Several readers at once, of files with a chain in common and of one that is read in large requests.
  const names = (await readdir(volume.at('notes'))).map((name) => `notes/${name}`);
  const read = await Promise.all([...names, 'model.bin'].map((name) => readFile(volume.at(name))));
  const small = names.map((name) => Number.parseInt(name.slice('notes/'.length)));
  small.forEach((i, at) => assert.ok(read[at].equals(note(i)), `${i}`));
  assert.ok(read[names.length].equals(noise(3 * MiB)));
  assert.ok((await readFile(pack)).equals(bytes));
  await volume.must('scrub', volume.mountpoint);
  assert.equal((await volume.status()).health, 'ok');
});

scenario(
  'scrub mends what nobody reads; a volume that is read-only stays as it is',
  QUIET,
  async (volume) => {
    const { pack, bytes, lose } = await damagedPlace(volume);
    await lose();
    const lost = await readFile(pack);
    await volume.mount(['ro']);
    await assert.rejects(readFile(volume.at('model.bin')), { code: 'EIO' });
    assert.equal((await volume.run('scrub', volume.mountpoint)).code, 1);
    assert.ok((await readFile(pack)).equals(lost));
    await volume.unmount();
    await volume.mount(QUIET.mount);
    const report = JSON.parse(await volume.must('scrub', volume.mountpoint, '--json'));
    assert.deepEqual(report.problems, []);
    assert.ok(report.healed > 10, `${report.healed} healed`);
    assert.ok((await readFile(pack)).equals(bytes));
  },
);

scenario('a pack that is restored from a backup is as good as before', QUIET, async (volume) => {
  const sum = await put(volume.at('model.bin'), noise(4 * MiB));
  await volume.demote('model.bin');
  await volume.unmount();
  const [pack] = await volume.packs('hdd');
  const backup = await readFile(pack);
  await damagePacks(volume, 1 / 2);
  await dropCaches();
  await volume.mount(QUIET.mount);
  assert.equal((await volume.run('scrub', volume.mountpoint)).code, 1);
  assert.equal((await volume.status()).health, 'degraded');
  await volume.unmount();
  await writeFile(pack, backup);
  await volume.mount(QUIET.mount);
  const report = JSON.parse(await volume.must('scrub', volume.mountpoint, '--json'));
  assert.equal(report.healed, 1);
  assert.deepEqual((await volume.status()).problems, []);
  await volume.must('fsck', volume.mountpoint);
  assert.equal(await digestFile(volume.at('model.bin')), sum);
});

scenario(
  'a pack whose file is gone: EIO, status says so, and it works when it is back',
  QUIET,
  async (volume) => {
    const health = async (): Promise<string[]> => (await volume.status()).problems;
    await put(volume.at('model.bin'), noise(3 * MiB));
    await put(volume.at('note.txt'), prose(5000));
    // The small one is opened at once, the large one is not; the pack is still being written.
    await volume.demote('model.bin');
    await volume.demote('note.txt');
    const [pack] = await volume.packs('hdd');
    await rename(pack, `${volume.root}/away`);
    for (const name of ['model.bin', 'note.txt']) {
      await assert.rejects(readFile(volume.at(name)), { code: 'EIO' });
    }
    const { stderr } = await volume.run('promote', volume.at('model.bin'), '--wait');
    assert.match(stderr, /pack 1 on tier hdd can't be read: it is not there/);
    assert.match((await health()).join(), /packs whose file is not there: 1;/);
    // What was in it is stored anew where it is written again.
    await put(volume.at('again.bin'), noise(3 * MiB));
    await volume.demote('again.bin');
    await volume.remount(QUIET.mount);
    assert.ok((await readFile(volume.at('model.bin'))).equals(noise(3 * MiB)));
    await assert.rejects(readFile(volume.at('note.txt')), { code: 'EIO' });
    await rename(`${volume.root}/away`, pack);
    const note = await waitFor('it is back', () =>
      readFile(volume.at('note.txt')).catch(() => undefined),
    );
    assert.ok(note.equals(prose(5000)));
    assert.deepEqual(await health(), []);
    await volume.must('fsck', volume.mountpoint);
  },
);

scenario('parity comes back where it is gone, and goes with its pack', QUIET, async (volume) => {
  const { pack } = await damagedPlace(volume);
  const parity = pack.replace('.pack', '.parity');
  const whole = await readFile(parity);
  await rm(parity);
  await writeFile(parity.replace('00000001', '0000ffff'), whole);
  await volume.mount(QUIET.mount);
  await waitFor('parity', async () =>
    (await readFile(parity).catch(() => undefined))?.equals(whole),
  );
  await rm(volume.at('notes'), { recursive: true });
  await rm(volume.at('model.bin'));
  await volume.must('gc', volume.mountpoint);
  const directory = dirname(pack);
  assert.deepEqual(await readdir(directory), []);
});

scenario(
  'a plain copy of a packed file rots: scrub has the packed form take its place',
  { mount: ['promote=never', 'cold-after=1h'] },
  async (volume) => {
    const names = ['models/closed.bin', 'models/open.bin', 'small.txt'];
    const sums = new Map<string, string>();
    for (const [i, name] of names.entries()) {
      sums.set(name, await put(volume.at(name), noise(i === 2 ? 5000 : 3 * MiB, i)));
      await volume.demote(name);
      await volume.must('promote', volume.at(name), '--to', 'nvme', '--wait');
    }
    const held = await open(volume.at('models/open.bin'), 'r');
    for (const name of names) await damagePlain(volume, (await stat(volume.at(name))).ino);
    const first = await volume.run('scrub', volume.mountpoint, '--json');
    const { healed, problems, checked } = JSON.parse(first.stdout) as CheckDocument;
    assert.deepEqual([healed, checked.copies], [2, 3]);
    assert.deepEqual(
      problems.map(({ what, subject }) => `${what} ${subject.replace(/^.*\(|\)$/g, '')}`),
      ['damaged-copy /models/open.bin'],
    );
    await held.close();
    await volume.must('scrub', volume.mountpoint);
    for (const name of names) {
      assert.equal((await volume.where(name)).form, 'packed', name);
      assert.equal(await digestFile(volume.at(name)), sums.get(name), name);
    }
  },
);

scenario('scrub and fsck find nothing wrong where nothing is', {}, async (volume) => {
  await put(volume.at('a'), noise(3 * MiB));
  await put(volume.at('b'), noise(3 * MiB, 2));
  await volume.demote('a');
  assert.equal((await volume.run('fsck', volume.mountpoint)).code, 0);
  assert.equal((await volume.run('scrub', volume.mountpoint)).code, 0);
});

scenario(
  'scrub fails while the disk of a tier is not there',
  { mount: ['missing-tier=degraded'] },
  async (volume) => {
    await put(volume.at('a'), noise(3 * MiB));
    await volume.demote('a');
    await volume.unmount();
    await rename(volume.tier('hdd'), `${volume.root}/away`);
    await volume.mount(['missing-tier=degraded']);
    const { code, stdout } = await volume.run('scrub', volume.mountpoint);
    assert.equal(code, 1);
    assert.match(stdout, /^tier hdd: .*; bring its disk back\nscrub: 1 problem \(0 packs/);
    await rename(`${volume.root}/away`, volume.tier('hdd'));
    await volume.remount();
    await volume.must('scrub', volume.mountpoint);
  },
);

scenario(
  'a file whose plain copy lay on a disk that is gone is read from its packs',
  { mount: ['missing-tier=degraded', 'promote=never'] },
  async (volume) => {
    const sum = await put(volume.at('hot'), noise(3 * MiB));
    await volume.demote('hot');
    await volume.must('promote', volume.at('hot'), '--wait');
    assert.equal((await volume.where('hot')).form, 'plain');
    await volume.unmount();
    await rename(volume.tier('nvme'), `${volume.root}/away`);
    await volume.mount(['missing-tier=degraded', 'promote=never']);
    assert.equal(await digestFile(volume.at('hot')), sum);
    await assert.rejects(writeFile(volume.at('hot'), 'other'), { code: 'EIO' });
    assert.equal(await digestFile(volume.at('hot')), sum);
    await rename(`${volume.root}/away`, volume.tier('nvme'));
    await waitFor('it can be written again', async () =>
      open(volume.at('hot'), 'r+').then(
        (file) => file.close().then(() => true),
        () => false,
      ),
    );
    assert.equal(await digestFile(volume.at('hot')), sum);
    await volume.must('fsck', volume.mountpoint);
  },
);

const STOPPED: Record<string, (v: TestVolume) => Promise<unknown>> = {
  'moves are paused': (v) => v.must('migration', 'pause', v.mountpoint),
  'migrate-rate is 0': (v) => v.remount(['migrate-rate=0']),
  'the mount became read-only': (v) => v.must('mount', v.path, v.mountpoint, '-o', 'remount,ro'),
  'the mount is read-only': (v) => v.remount(['ro']),
};

for (const [how, stop] of Object.entries(STOPPED)) {
  scenario(`scrub and fsck --deep read everything while ${how}`, {}, async (volume) => {
    await put(volume.at('bad.bin'), noise(3 * MiB));
    await volume.demote('bad.bin');
    await stop(volume);
    await volume.must('scrub', volume.mountpoint);
    await damagePacks(volume, 1 / 2);
    for (const verb of [['scrub'], ['fsck', '--deep']]) {
      const { code, stdout } = await volume.run(...verb, volume.mountpoint);
      assert.equal(code, 1);
      assert.match(stdout, /bad\.bin/);
    }
  });
}

scenario(
  'a full slow tier fails the move and loses nothing',
  { capacity: { hdd: '4MiB' }, mount: ['cold-after=1h'] },
  async (volume) => {
    const sum = await put(volume.at('big.bin'), noise(12 * MiB));
    const result = await volume.run('demote', volume.at('big.bin'), '--to', 'hdd', '--wait');
    assert.equal(result.code, 1);
    assert.match(result.stderr, /hdd/);
    assert.equal((await volume.where('big.bin')).form, 'plain');
    assert.equal(await digestFile(volume.at('big.bin')), sum);
    await volume.must('gc', volume.mountpoint);
    assert.ok((await volume.tierBytes('hdd')) < 2 * MiB, 'what the failed move wrote is gone');
    await volume.must('fsck', volume.mountpoint);
  },
);

scenario(
  'gc on a slow tier without room says what it takes to give deleted files back',
  { capacity: { hdd: '40MiB' }, mount: ['cold-after=1h'] },
  async (volume) => {
    await put(volume.at('keep.bin'), noise(12 * MiB));
    await put(volume.at('gone.bin'), noise(20 * MiB, 2));
    for (const name of ['keep.bin', 'gone.bin']) await volume.demote(name);
    await must('rm', [volume.at('gone.bin')]);
    const [freed, stays, ...more] = (await volume.must('gc', volume.mountpoint)).trim().split('\n');
    assert.match(freed, /^0 B freed/);
    assert.match(
      stays,
      /^20\.\d MiB .* stay on tier hdd: .* takes 12\.\d MiB at least; 7\.\d+ MiB are/,
    );
    assert.deepEqual(more, []);
  },
);

scenario(
  'every tier full: writing fails with ENOSPC, what was there stays',
  { media: 'loop', mount: ['cold-after=1h'], timeoutMs: 300_000 },
  async (volume) => {
    const sum = await put(volume.at('keep.bin'), noise(4 * MiB));
    for (const tier of ['nvme', 'ssd', 'hdd'] as const) {
      await must('sh', [
        '-c',
        `fallocate -l 600M "$1" || cat /dev/zero >"$1" || true`,
        'sh',
        `${volume.tier(tier)}/filler`,
      ]);
    }
    await assert.rejects(put(volume.at('more.bin'), noise(64 * MiB, 2)), { code: 'ENOSPC' });
    assert.equal(await digestFile(volume.at('keep.bin')), sum);
    for (const tier of ['nvme', 'ssd', 'hdd'] as const) {
      await must('rm', [`${volume.tier(tier)}/filler`]);
    }
    const later = await waitFor('there is room again', () =>
      put(volume.at('later.bin'), noise(MiB, 3)).catch(() => undefined),
    );
    assert.equal(await digestFile(volume.at('later.bin')), later);
    await volume.remount();
    assert.equal(await digestFile(volume.at('keep.bin')), sum);
  },
);

scenario(
  'a disk that was full takes moves again as soon as somebody freed space there',
  { media: 'loop', mount: ['cold-after=1h'] },
  async (volume) => {
    const sum = await put(volume.at('file.bin'), noise(4 * MiB));
    const filler = `${volume.tier('hdd')}/filler`;
    await must('sh', ['-c', `cat /dev/zero >"$1" || true`, 'sh', filler]);
    const demote = () => volume.run('demote', volume.at('file.bin'), '--to', 'hdd', '--wait');
    assert.match((await demote()).stderr, /tier hdd: .* is full; free space there/);
    await must('rm', [filler]);
    assert.deepEqual(await demote().then(({ code, stderr }) => [code, stderr]), [0, '']);
    assert.equal(await digestFile(volume.at('file.bin')), sum);
  },
);
