/** Tiers of a volume that there is: added and changed so that a crash leaves the old volume or the new one. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readMarker } from '../../src/tiers/marker.js';
import { addTier, changeTier, removeTier, type Place } from '../../src/tiers/tier-changes.js';
import type { Medium, VolumeConfig } from '../../src/tiers/types.js';
import { createVolume, makeTierDirectories, readVolume } from '../../src/tiers/volume.js';
import {
  makeVolume,
  refused,
  temporaryDirectory,
  tierDirectories,
  withTmpfs,
} from './volume-dirs.js';

interface Made {
  root: string;
  directory: string;
  volume: VolumeConfig;
}

/** A volume on directories of these names, and an empty directory `new`. */
async function make(t: TestContext, ...names: string[]): Promise<Made> {
  const root = await temporaryDirectory(t);
  const directory = join(root, 'v');
  const volume = await createVolume(directory, await tierDirectories(root, ...names));
  await mkdir(join(root, 'new'));
  return { root, directory, volume };
}

/** As the next process would find the volume. */
async function add(made: Made, medium: Medium = 'hdd', place: Place = {}, name = 'new') {
  const tier = { name, path: join(made.root, 'new'), medium };
  return addTier(made.directory, await readVolume(made.directory), tier, place);
}

const names = ({ tiers }: VolumeConfig): string => tiers.map(({ name }) => name).join(' ');

async function absent(path: string): Promise<void> {
  await assert.rejects(stat(path), { code: 'ENOENT' }, path);
}

test('an added tier stands where its medium belongs, or where it is told to', async (t) => {
  const cases: [Medium, Place, string][] = [
    ['nvme', {}, 'nvme new ssd hdd'],
    ['ssd', {}, 'nvme ssd new hdd'],
    ['hdd', {}, 'nvme ssd hdd new'],
    ['hdd', { before: 'nvme' }, 'new nvme ssd hdd'],
    ['nvme', { before: 'hdd' }, 'nvme ssd new hdd'],
    ['nvme', { after: 'hdd' }, 'nvme ssd hdd new'],
    ['hdd', { after: 'nvme' }, 'nvme new ssd hdd'],
  ];
  for (const [medium, place, order] of cases) {
    const made = await make(t, 'nvme', 'ssd', 'hdd');
    const after = await add(made, medium, place);
    assert.equal(names(after), order, `${medium} ${JSON.stringify(place)}`);
    assert.deepEqual(await readVolume(made.directory), after);
    // Placements are numbers: those of the others stay.
    for (const tier of made.volume.tiers) assert.ok(after.tiers.some(({ id }) => id === tier.id));
    assert.deepEqual(
      after.tiers.filter(({ name }) => name !== 'new'),
      made.volume.tiers,
    );
  }
  const slow = await make(t, 'hdd');
  assert.equal(names(await add(slow, 'nvme')), 'new hdd');
});

test('an added tier is one like those that init made', async (t) => {
  const { root, volume, open } = await makeVolume(t, 'nvme', 'hdd');
  const [path] = await tierDirectories(root, 'more');
  const capacity = 1 << 30;
  const tier = { ...path, medium: 'ssd' as const, capacity };
  const after = await addTier(join(root, 'volume'), volume, tier, {});
  assert.deepEqual(after.tiers[1], {
    id: 3,
    name: 'more',
    medium: 'ssd',
    path: path.path,
    capacity,
  });
  const set = await open({ volume: after });
  assert.deepEqual(
    set.tiers.map(({ name, state }) => [name, state]),
    [
      ['nvme', 'ok'],
      ['more', 'ok'],
      ['hdd', 'ok'],
    ],
  );
  for (const name of ['', '/files', '/files/00', '/files/ff', '/packs', '/incoming']) {
    assert.equal((await stat(`${path.path}/.coral-reef${name}`)).mode & 0o777, 0o700, name);
  }
});

test('no number of a tier is given twice, also where its tier is not there any more', async (t) => {
  const made = await make(t, 'nvme', 'hdd');
  const file = join(made.directory, 'volume.json');
  await writeFile(file, JSON.stringify({ ...made.volume, nextTier: 9 }));
  const added = (await add(made)).tiers.at(-1)!;
  assert.equal(added.id, 9);
  assert.deepEqual(await readMarker(added.path), {
    kind: 'marker',
    marker: { format: 1, volume: made.volume.id, tier: 9, name: 'new' },
  });
  const last = { ...(await readVolume(made.directory)), nextTier: 256 };
  await writeFile(file, JSON.stringify(last));
  const [more] = await tierDirectories(made.root, 'more');
  await assert.rejects(addTier(made.directory, last, more, {}), refused(4, /at most 255 tiers/));
  await absent(join(made.root, 'more/.coral-reef'));
  await writeFile(file, JSON.stringify({ ...last, nextTier: 'x' }));
  await assert.rejects(readVolume(made.directory), refused(4, /damaged/));
});

test('a crash before the volume has its new tier: adding it again works, with another number', async (t) => {
  const made = await make(t, 'nvme', 'hdd');
  const before = await readFile(join(made.directory, 'volume.json'));
  const tree = join(made.root, 'new/.coral-reef');
  const crashes: [string, () => Promise<unknown>][] = [
    ['the number was taken', async () => undefined],
    ['a tree without a marker', () => mkdir(tree)],
    ['half a marker', () => treeWith('tier.json.new', '{"format"')],
    ['a marker', () => treeWith('tier.json', markerText(made, 3))],
    ['all of it', () => treeWith('tier.json', markerText(made, 3), true)],
  ];
  const treeWith = async (name: string, text: string, whole = false) => {
    await mkdir(tree);
    if (whole) await makeTierDirectories(join(made.root, 'new'));
    await writeFile(`${tree}/${name}`, text);
  };
  for (const [what, leave] of crashes) {
    await rm(tree, { recursive: true, force: true });
    const reserved = { ...(JSON.parse(String(before)) as VolumeConfig), nextTier: 4 };
    await writeFile(join(made.directory, 'volume.json'), JSON.stringify(reserved));
    await writeFile(join(made.directory, 'volume.json.new'), '{"format": 1, "tie');
    await leave();
    const { tiers, nextTier } = await add(made);
    assert.deepEqual([tiers.at(-1)!.name, tiers.at(-1)!.id, nextTier], ['new', 4, 5], what);
    const marker = await readMarker(join(made.root, 'new'));
    assert.equal(marker.kind === 'marker' && marker.marker.tier, 4, what);
  }
});

function markerText({ volume }: Made, tier: number): string {
  return JSON.stringify({ format: 1, volume: volume.id, tier, name: 'new' });
}

test('a tree that holds anything is not taken over, whosever it is', async (t) => {
  const made = await make(t, 'nvme', 'hdd');
  const tree = join(made.root, 'new/.coral-reef');
  await mkdir(tree);
  await makeTierDirectories(join(made.root, 'new'));
  await writeFile(`${tree}/files/01/1`, 'precious');
  await assert.rejects(add(made), refused(4, /belongs to another volume/));
  await writeFile(`${tree}/tier.json`, markerText(made, 7));
  await assert.rejects(
    add(made),
    refused(4, /was tier \w+ of this volume before, and is not empty .* can't be one again/),
  );
  await writeFile(`${tree}/tier.json`, markerText(made, 1));
  await assert.rejects(add(made), refused(4, /is tier nvme of this volume already/));
  await rm(`${tree}/files/01/1`);
  await assert.rejects(add(made), refused(4, /is tier nvme of this volume already/));
  const other = { format: 1, volume: 'f'.repeat(32), tier: 7, name: 'new' };
  await writeFile(`${tree}/tier.json`, JSON.stringify(other));
  await assert.rejects(add(made), refused(4, /belongs to volume f{32}/));
  await writeFile(`${tree}/tier.json`, '{');
  await assert.rejects(add(made), refused(4, /belongs to another volume/));
  assert.deepEqual(await readVolume(made.directory), made.volume, 'nothing was written');
});

test('what can be no tier of the volume is refused by name, and nothing is left behind', async (t) => {
  const made = await make(t, 'nvme', 'hdd');
  const { root, directory, volume } = made;
  await mkdir(join(root, 'nvme/inner'));
  await writeFile(join(root, 'file'), '');
  const places: [string, RegExp][] = [
    [join(root, 'absent'), /tier new: .*absent: the directory does not exist/],
    [join(root, 'file'), /tier new: .*file is not a directory/],
    [join(root, 'nvme/inner'), /tier new: .*inner lies inside tier nvme/],
    [root, /tier nvme: .* lies inside tier new/],
    [join(root, 'nvme'), /is tier nvme of this volume already/],
  ];
  for (const [path, pattern] of places) {
    const adding = addTier(directory, volume, { name: 'new', path }, {});
    await assert.rejects(adding, refused(4, pattern), path);
  }
  await assert.rejects(add(made, 'hdd', {}, 'nvme'), refused(2, /has a tier nvme already/));
  await assert.rejects(add(made, 'hdd', {}, 'off'), refused(2, /can't be a tier's name/));
  await assert.rejects(add(made, 'hdd', { before: 'hd' }), refused(2, /no tier "hd".* mean hdd/));
  await assert.rejects(add(made, 'hdd', { after: 'x' }), refused(2, /no tier "x"/));
  await absent(join(root, 'new/.coral-reef'));
  await absent(join(root, 'nvme/inner/.coral-reef'));
  assert.deepEqual(await readVolume(directory), volume);
});

test('a tier is not put into the empty place of one whose disk is away', async (t) => {
  const made = await make(t, 'nvme', 'hdd');
  await rename(join(made.root, 'hdd'), join(made.root, 'elsewhere'));
  const path = join(made.root, 'hdd');
  const tier = { name: 'new', path };
  await assert.rejects(addTier(made.directory, made.volume, tier, {}), refused(4, /not exist/));
  await mkdir(path);
  await assert.rejects(
    addTier(made.directory, made.volume, tier, {}),
    refused(4, /is the directory of tier/),
  );
  // Another directory is none of its business.
  assert.equal(names(await add(made)), 'nvme hdd new');
});

test('where the new disk is full or read-only, the volume stays as it is', async (t) => {
  const made = await make(t, 'nvme', 'hdd');
  const path = join(made.root, 'new');
  // Room for some of the 259 directories and the marker.
  await withTmpfs(path, 'size=1m,nr_inodes=100', async () => {
    await assert.rejects(add(made), refused(4, /tier new: .* can't be made: no space left/));
    await absent(`${path}/.coral-reef`);
    // Used up before the tier was marked: a crash then leaves no second directory with it.
    assert.equal((await readVolume(made.directory)).nextTier, 4);
    execFileSync('mount', ['-o', 'remount,ro', path]);
    await assert.rejects(add(made), refused(4, /is read-only; mount its disk for writing/));
  });
  assert.deepEqual((await readVolume(made.directory)).tiers, made.volume.tiers);
  await absent(join(made.directory, 'volume.json.new'));
  assert.equal(names(await add(made)), 'nvme hdd new');
});

test('where the disk of the volume is full, the tier is not marked and the volume stays as it is', async (t) => {
  const root = await temporaryDirectory(t);
  const directory = join(root, 'v');
  await mkdir(directory);
  await withTmpfs(directory, 'size=64k', async () => {
    const volume = await createVolume(directory, await tierDirectories(root, 'nvme'));
    await mkdir(join(root, 'new'));
    await writeFile(join(directory, 'fill'), Buffer.alloc(1 << 20)).catch(() => {});
    const made = { root, directory, volume };
    await assert.rejects(add(made), refused(4, /volume\.json can't be written: no space left/));
    const setting = changeTier(directory, volume, 'nvme', { capacity: 5 });
    await assert.rejects(setting, refused(4, /can't be written: no space left; make room there/));
    await absent(join(root, 'new/.coral-reef'));
    await absent(join(directory, 'volume.json.new'));
    assert.deepEqual(await readVolume(directory), volume);
    await rm(join(directory, 'fill'));
    assert.equal(names(await add(made)), 'nvme new');
  });
});

test('capacity and medium are changed, and the rest of the volume is not', async (t) => {
  const { directory, volume } = await make(t, 'nvme', 'hdd');
  const limited = await changeTier(directory, volume, 'hdd', { capacity: 1 << 20, medium: 'ssd' });
  const [nvme, hdd] = volume.tiers;
  const expected = { ...volume, tiers: [nvme, { ...hdd, capacity: 1 << 20, medium: 'ssd' }] };
  assert.deepEqual(limited, expected);
  assert.deepEqual(await readVolume(directory), limited);
  await changeTier(directory, limited, 'hdd', { capacity: null, medium: 'hdd' });
  assert.deepEqual(await readVolume(directory), volume);
  const unknown = changeTier(directory, volume, 'hd', { capacity: 1 });
  await assert.rejects(unknown, refused(2, /no tier "hd"; did you mean hdd\? It has nvme, hdd/));
});

test('a tier gets a new name in its marker too, also after a crash between the two', async (t) => {
  const { root, directory, volume } = await make(t, 'nvme', 'hdd');
  const nameInMarker = async () => {
    const reading = await readMarker(join(root, 'hdd'));
    return reading.kind === 'marker' && reading.marker.name;
  };
  await assert.rejects(
    changeTier(directory, volume, 'hdd', { name: 'nvme' }),
    refused(2, /has a tier nvme already/),
  );
  const renamed = await changeTier(directory, volume, 'hdd', { name: 'attic' });
  assert.equal(names(await readVolume(directory)), 'nvme attic');
  assert.equal(await nameInMarker(), 'attic');
  // Back to before volume.json was replaced: the marker has the new name already.
  await writeFile(join(directory, 'volume.json'), JSON.stringify(volume));
  assert.deepEqual(await changeTier(directory, volume, 'hdd', { name: 'attic' }), renamed);
  await rename(join(root, 'hdd'), join(root, 'away'));
  await mkdir(join(root, 'hdd'));
  const without = changeTier(directory, renamed, 'attic', { name: 'cellar' });
  await assert.rejects(without, refused(4, /has no marker/));
  assert.equal(names(await readVolume(directory)), 'nvme attic');
});

test('a tier is looked for elsewhere only where its own marker is', async (t) => {
  const { root, directory, volume } = await make(t, 'nvme', 'hdd');
  const other = await tierDirectories(root, 'other');
  await createVolume(join(root, 'w'), other);
  const cases: [string, RegExp][] = [
    ['new', /tier hdd: .*new has no marker .*tier\.json.* rsync -aSX/],
    ['absent', /the directory does not exist/],
    ['nvme', /is tier nvme of this volume, not hdd/],
    ['other', /belongs to another volume/],
  ];
  for (const [name, pattern] of cases) {
    const changing = changeTier(directory, volume, 'hdd', { path: join(root, name) });
    await assert.rejects(changing, refused(4, pattern), name);
  }
  await cp(join(root, 'hdd'), join(root, 'nvme/copy'), { recursive: true });
  const nested = changeTier(directory, volume, 'hdd', { path: join(root, 'nvme/copy') });
  await assert.rejects(nested, refused(4, /lies inside tier nvme/));
  assert.deepEqual(await readVolume(directory), volume);
  await rename(join(root, 'hdd'), join(root, 'moved'));
  const moved = await changeTier(directory, volume, 'hdd', { path: join(root, 'moved') });
  assert.equal(moved.tiers[1].path, join(root, 'moved'));
  assert.deepEqual(await readVolume(directory), moved);
});

test('a tier is taken out with what says that it was one, and its number is not used again', async (t) => {
  const made = await make(t, 'nvme', 'ssd', 'hdd');
  const { root, directory, volume } = made;
  await mkdir(join(root, 'hdd/.coral-reef/namespace-copy'));
  await writeFile(join(root, 'hdd/.coral-reef/namespace-copy/data.mdb'), 'a copy');
  await writeFile(join(root, 'hdd/mine'), 'not of the volume');
  const without = await removeTier(directory, volume, 'hdd');
  assert.deepEqual(await readVolume(directory), {
    ...volume,
    tiers: volume.tiers.slice(0, 2),
    nextTier: 4,
  });
  await absent(join(root, 'hdd/.coral-reef'));
  assert.equal(await readFile(join(root, 'hdd/mine'), 'utf8'), 'not of the volume');
  assert.equal((await add(made)).tiers.at(-1)?.id, 4);
  const left = await removeTier(directory, without, 'ssd');
  await assert.rejects(removeTier(directory, left, 'nvme'), refused(2, /is the only one/));
});

test('what a tier that is taken out has beside its own stays there', async (t) => {
  const { root, directory, volume } = await make(t, 'nvme', 'hdd');
  const tree = join(root, 'hdd/.coral-reef');
  await mkdir(`${tree}/namespace-copy`);
  await writeFile(`${tree}/namespace-copy/data.mdb.1`, 'an older copy');
  await writeFile(`${tree}/packs/00000001.pack`, 'a pack');
  await removeTier(directory, volume, 'hdd');
  assert.equal(await readFile(`${tree}/packs/00000001.pack`, 'utf8'), 'a pack');
  assert.equal(await readFile(`${tree}/namespace-copy/data.mdb.1`, 'utf8'), 'an older copy');
  assert.equal((await readMarker(join(root, 'hdd'))).kind, 'absent');
});

test('a tier that can not be taken out of the list keeps its marker', async (t) => {
  const { root, directory, volume } = await make(t, 'nvme', 'hdd');
  await mkdir(join(directory, 'volume.json.new'));
  await assert.rejects(removeTier(directory, volume, 'hdd'), refused(4, /can't be written/));
  assert.equal((await readMarker(join(root, 'hdd'))).kind, 'marker');
  assert.deepEqual(await readVolume(directory), volume);
  await rm(join(root, 'hdd/.coral-reef/tier.json'));
  await assert.rejects(removeTier(directory, volume, 'hdd'), refused(4, /has no marker/));
});

test('a tier that is being emptied takes nothing new, whatever room it has', async (t) => {
  const { open } = await makeVolume(t, 'nvme', 'hdd');
  const set = await open();
  const tier = set.byName('hdd')!;
  set.setDraining(tier, true);
  for (const look of [
    () => set.lookAtFull(),
    () => set.refresh(),
    () => set.accountPlain(tier, -1),
  ]) {
    await Promise.resolve(look());
    set.lookAtFull();
    assert.equal(tier.state, 'full');
  }
  assert.match(tier.problem ?? '', /takes nothing new: it was told to be emptied/);
  set.setDraining(tier, false);
  assert.deepEqual([tier.state, tier.problem], ['ok', null]);
});
