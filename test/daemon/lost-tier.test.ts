/** A tier whose disk is gone is given up only on purpose, and whoever does it knows what that costs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withVolume } from '../../src/daemon/offline.js';
import { addTierTo, removeLostTierFrom, removeTierFrom } from '../../src/daemon/volume-tiers.js';
import { checkVolume } from '../../src/integrity/fsck.js';
import { ROOT_INO } from '../../src/namespace/types.js';
import { native } from '../../src/native.js';
import { accountedTiers } from '../../src/tiers/account.js';
import { treePath } from '../../src/tiers/marker.js';
import { readVolume } from '../../src/tiers/volume.js';
import { closeBench, createBench, randomBytes, type Bench } from '../content/fixture.js';
import {
  addDirectory,
  addPackedFile,
  addPlainFile,
  openVolume,
  type Volume,
} from '../integrity/fixture.js';
import { unusable } from './unusable.js';

const MIB = 1 << 20;
const CHILD = fileURLToPath(new URL('./lost-tier-child.js', import.meta.url));

interface Place {
  root: string;
  /** Of the volume. */
  directory: string;
  nvme: string;
}

/** A volume with these files that nobody has open. */
async function volumeWith(
  t: TestContext,
  fill: (volume: Volume) => Promise<unknown>,
): Promise<Place> {
  const bench: Bench = await createBench();
  const root = bench.directory;
  t.after(() => rmSync(root, { recursive: true, force: true }));
  await fill(openVolume(bench));
  await bench.store.commit();
  await closeBench(bench);
  return { root, directory: join(root, 'volume'), nvme: join(root, 'nvme') };
}

const lists = ({ directory }: Place): string[] =>
  readdirSync(directory).filter((name) => name.startsWith('lost-'));

const lose = (place: Place) => removeLostTierFrom(place.directory, 'nvme', () => undefined);

/** Refused, with nothing changed. */
async function refused(place: Place, pattern: RegExp): Promise<void> {
  const before = readFileSync(join(place.directory, 'volume.json'), 'utf8');
  await assert.rejects(lose(place), unusable(pattern));
  assert.equal(readFileSync(join(place.directory, 'volume.json'), 'utf8'), before);
  assert.deepEqual(lists(place), []);
}

test('a disk that is there is not given up, wherever it is, nor one that only lacks its marker', async (t) => {
  const place = await volumeWith(t, async (volume) =>
    addPlainFile(volume, 'file', randomBytes(1, MIB)),
  );
  await refused(place, /nvme is there, so it is not lost\. .*: coral-reef tier drain /);
  const moved = join(place.root, 'moved');
  renameSync(place.nvme, moved);
  writeFileSync(join(place.directory, 'config.yaml'), `tier.nvme: ${moved}\n`);
  await refused(place, /moved is there, so it is not lost/);
  rmSync(join(place.directory, 'config.yaml'));
  renameSync(moved, place.nvme);
  const marker = join(treePath(place.nvme), 'tier.json');
  const text = readFileSync(marker, 'utf8');
  const onlyMarker = /has files of a tier, and only lacks its marker\. .*"tier":1,"name":"nvme"/;
  for (const harm of [() => rmSync(marker), () => writeFileSync(marker, 'rubbish')]) {
    harm();
    await refused(place, onlyMarker);
  }
  // Reading it gives an error, and reading files does not: one bad sector is no dead disk.
  rmSync(marker);
  mkdirSync(marker);
  await refused(place, onlyMarker);
  rmSync(marker, { recursive: true });
  writeFileSync(marker, text.replace('"format": 1', '"format": 9'));
  await refused(place, /was written by a newer version/);
});

test('a disk that is away is not given up by the way: remove says first what is only there', async (t) => {
  const place = await volumeWith(t, async (volume) => {
    addPlainFile(volume, 'one', randomBytes(1, MIB));
    await addPackedFile(volume, 'two', randomBytes(2, MIB), { tier: 1 });
    await addPackedFile(volume, 'not there', randomBytes(3, MIB));
  });
  renameSync(place.nvme, `${place.nvme}.away`);
  const text = /only there: 2 files with 2\.00 MiB\): coral-reef tier remove \S+ nvme --lost/;
  await assert.rejects(removeTierFrom(place.directory, 'nvme'), unusable(text));
  renameSync(`${place.nvme}.away`, place.nvme);
  assert.deepEqual(await problemsOf(place), []);
});

test('the list names what is lost, whatever it is called, and replaces no other list', async (t) => {
  const place = await volumeWith(t, async (volume) => {
    const folder = addDirectory(volume, ROOT_INO, 'a\tb\\c\n');
    const inode = addPlainFile(volume, '\xff', randomBytes(1, MIB));
    volume.namespace.insert(folder.ino, 'x', inode.ino, 8);
    inode.nlink = 2;
    inode.pin = 1;
    volume.namespace.update(inode);
  });
  renameSync(place.nvme, `${place.nvme}.away`);
  const name = `lost-nvme-${new Date().toISOString().slice(0, 10)}`;
  writeFileSync(join(place.directory, `${name}.txt`), 'mine');
  const { lost, tier, tiers, warnings } = await lose(place);
  assert.deepEqual([tier, tiers.length, warnings], [null, 1, []]);
  const { list, ...counts } = lost;
  assert.deepEqual(counts, { files: 1, partly: 0, bytes: MIB, lostBytes: MIB, pins: 1 });
  assert.ok(list !== null && lists(place).length === 2);
  const [title, ...lines] = readFileSync(list, 'latin1').split('\n');
  assert.match(title, /^# Lost with tier nvme \(number 1\), \d{4}-/);
  assert.deepEqual(lines.sort(), ['', `${MIB}\t${MIB}\t/a\\tb\\\\c\\n/x`, `${MIB}\t${MIB}\t/\xff`]);
  assert.equal(readFileSync(join(place.directory, `${name}.txt`), 'utf8'), 'mine');
});

test('where nothing is lost there is no list, and the last tier stays', async (t) => {
  const place = await volumeWith(t, async (volume) =>
    addPackedFile(volume, 'file', randomBytes(1, MIB)),
  );
  rmSync(place.nvme, { recursive: true });
  const { lost } = await lose(place);
  assert.deepEqual([lost.files, lost.list, lists(place)], [0, null, []]);
  rmSync(join(place.root, 'hdd'), { recursive: true });
  await assert.rejects(
    removeLostTierFrom(place.directory, 'hdd', () => undefined),
    /is the only one of the volume/,
  );
});

test('a disk that comes back after all is not taken for a tier, and its number is given to no other', async (t) => {
  const place = await volumeWith(t, async (volume) =>
    addPlainFile(volume, 'file', randomBytes(1, MIB)),
  );
  const away = `${place.nvme}.away`;
  renameSync(place.nvme, away);
  await lose(place);
  const files = readdirSync(away, { recursive: true }).length;
  const back = { name: 'back', path: away };
  await assert.rejects(
    addTierTo(place.directory, back, {}),
    unusable(/was tier nvme of this volume before, and is not empty .* can't be one again/),
  );
  assert.equal(readdirSync(away, { recursive: true }).length, files);
  mkdirSync(place.nvme);
  const { tier } = await addTierTo(place.directory, { name: 'nvme', path: place.nvme }, {});
  assert.equal(tier?.id, 3);
  assert.deepEqual(
    (await problemsOf(place)).map((line) => line.slice(0, 26)),
    ['no-tier inode 2 (/file): it'.slice(0, 26)],
  );
});

test('another disk that is away as well is no obstacle, and what is there is not lost', async (t) => {
  const place = await volumeWith(t, async (volume) => {
    addPlainFile(volume, 'lost', randomBytes(1, MIB));
    await addPackedFile(volume, 'away', randomBytes(2, MIB));
  });
  mkdirSync(join(place.root, 'more'));
  await addTierTo(place.directory, { name: 'more', path: join(place.root, 'more') }, {});
  const hdd = join(place.root, 'hdd');
  renameSync(hdd, `${hdd}.away`);
  rmSync(place.nvme, { recursive: true });
  const { lost, warnings } = await lose(place);
  assert.deepEqual([lost.files, warnings], [1, []]);
  renameSync(`${hdd}.away`, hdd);
  assert.deepEqual((await problemsOf(place)).length, 1);
});

test('of two disks that died, the second takes along what the first had left of a file', async (t) => {
  const bytes = randomBytes(1, MIB);
  const place = await volumeWith(t, async (volume) => {
    const inode = await addPackedFile(volume, 'hot', bytes);
    const { tiers } = volume.bench;
    writeFileSync(tiers.backingPath(tiers.tiers[0], inode.ino), bytes);
    tiers.accountPlain(tiers.tiers[0], MIB);
    Object.assign(inode, { plainTier: 1, plainBlocks: MIB / 512 });
    volume.namespace.update(inode);
    addPlainFile(volume, 'lost before', bytes);
  });
  mkdirSync(join(place.root, 'more'));
  const { tiers } = await addTierTo(
    place.directory,
    { name: 'more', path: join(place.root, 'more') },
    {},
  );
  for (const name of ['nvme', 'hdd']) rmSync(join(place.root, name), { recursive: true });
  // As if the first command had been killed once the volume had that tier no more.
  const file = join(place.directory, 'volume.json');
  const volume = await readVolume(place.directory);
  writeFileSync(file, JSON.stringify({ ...volume, tiers: tiers.slice(1) }));
  const { lost } = await removeLostTierFrom(place.directory, 'hdd', () => undefined);
  assert.match(readFileSync(lost.list!, 'utf8'), /^#.*\n1048576\t1048576\t\/hot\n$/);
  assert.deepEqual((await problemsOf(place)).map((line) => line.replace(/:.*/, '')).sort(), [
    'damaged-file inode 2 (/hot)',
    'no-tier inode 3 (/lost before)',
  ]);
});

async function problemsOf({ directory }: Place): Promise<string[]> {
  const { problems } = await withVolume(directory, [], (parts) =>
    checkVolume(parts, { deep: true }),
  );
  return problems.map(({ what, subject, detail }) => `${what} ${subject}: ${detail}`);
}

/** @returns whether it was killed at that step; otherwise it was done before */
async function killedAt(place: Place, step: number): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, place.directory, 'nvme', String(step)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code, signal] = await new Promise<unknown[]>((resolve) =>
    child.once('close', (...how) => resolve(how)),
  );
  assert.ok(signal === 'SIGKILL' || (code === 0 && said === 'done\n'), `${code} ${signal} ${said}`);
  return signal === 'SIGKILL';
}

/** Whatever it was: as before, or done but for what the next opening does. */
async function finish(place: Place): Promise<'before' | 'after'> {
  const { tiers } = await readVolume(place.directory);
  if (tiers.length === 1) return 'after';
  await assert.rejects(removeTierFrom(place.directory, 'nvme'), /only there: 3 files/);
  const { lost } = await lose(place);
  assert.deepEqual([lost.files, lost.partly], [3, 1]);
  return 'before';
}

test('a kill -9 at any step loses no other file, and the next start or the same command ends it', async (t) => {
  const both = [1, 2].map((seed) => randomBytes(seed, MIB));
  const place = await volumeWith(t, async (volume) => {
    addPlainFile(volume, 'plain', randomBytes(3, MIB));
    await addPackedFile(volume, 'packed there', both[0], { tier: 1 });
    await addPackedFile(volume, 'packed', both[1]);
    await addPackedFile(volume, 'in part', Buffer.concat(both));
  });
  rmSync(place.nvme, { recursive: true });
  const prepared = `${place.root}.prepared`;
  t.after(() => rmSync(prepared, { recursive: true, force: true }));
  cpSync(place.root, prepared, { recursive: true });
  const found = { before: 0, after: 0 };
  for (let step = 0; await killedAt(place, step); step++) {
    found[await finish(place)]++;
    await t.test(`step ${step}`, () => checkEnd(place));
    rmSync(place.root, { recursive: true });
    cpSync(prepared, place.root, { recursive: true });
  }
  await checkEnd(place);
  assert.ok(found.before > 4 && found.after > 4, JSON.stringify(found));
});

async function checkEnd(place: Place): Promise<void> {
  const { tiers, nextTier } = await readVolume(place.directory);
  assert.deepEqual([tiers.map(({ name }) => name), nextTier], [['hdd'], 3]);
  assert.ok(lists(place).length > 0);
  await withVolume(place.directory, [], async (parts) => {
    const { problems } = await checkVolume(parts, { deep: true });
    assert.deepEqual(
      problems.map(({ what, subject }) => `${what} ${/\((.*)\)/.exec(subject)?.[1]}`),
      ['no-tier /plain', 'damaged-file /packed there', 'damaged-file /in part'],
    );
    assert.deepEqual([...accountedTiers(parts.store).keys()], [2]);
    const { ino } = parts.namespace.lookup(ROOT_INO, 'packed')!;
    const handle = await parts.content.openFor(ino);
    const { bad } = await native.checkPlan(handle, native.createCopyControl());
    handle.close();
    assert.equal(bad.length, 0);
  });
}
