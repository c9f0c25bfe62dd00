import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVolume, readVolume } from '../../src/tiers/volume.js';
import { refused, temporaryDirectory, tierDirectories, withTmpfs } from './volume-dirs.js';

test('a new volume is read back as it was made, its trees closed to others', async (t) => {
  const root = await temporaryDirectory(t);
  const tiers = await tierDirectories(root, 'nvme', 'hdd');
  tiers[1].capacity = 1 << 30;
  const made = await createVolume(join(root, 'v'), tiers);
  assert.deepEqual(await readVolume(join(root, 'v')), made);
  assert.deepEqual(
    made.tiers.map(({ id, name, medium, capacity }) => [id, name, medium, capacity]),
    [
      [1, 'nvme', 'nvme', null],
      [2, 'hdd', 'hdd', 1 << 30],
    ],
  );
  for (const name of ['', '/files', '/files/00', '/files/ff', '/packs', '/incoming']) {
    const { mode } = await stat(join(root, 'nvme/.coral-reef') + name);
    assert.equal(mode & 0o777, 0o700, name);
  }
});

test('a medium that nobody named is asked of the kernel', async (t) => {
  const root = await temporaryDirectory(t);
  await mkdir(join(root, 'a'));
  const { tiers } = await createVolume(join(root, 'v'), [{ name: 'a', path: join(root, 'a') }]);
  assert.match(tiers[0].medium, /^(nvme|ssd|hdd)$/);
});

test('no volume is made over another one', async (t) => {
  const root = await temporaryDirectory(t);
  await createVolume(join(root, 'v'), await tierDirectories(root, 'a'));
  const more = await tierDirectories(root, 'b');
  await assert.rejects(createVolume(join(root, 'v'), more), refused(4, /already/));
});

test('a tier of another volume is not taken over', async (t) => {
  const root = await temporaryDirectory(t);
  const tiers = await tierDirectories(root, 'a');
  const { id } = await createVolume(join(root, 'v'), tiers);
  const taken = createVolume(join(root, 'w'), tiers);
  await assert.rejects(taken, refused(4, new RegExp(`belongs to volume ${id}`)));
});

test('a tree that lost its marker is neither taken over nor removed', async (t) => {
  const root = await temporaryDirectory(t);
  const tiers = await tierDirectories(root, 'a', 'b');
  await mkdir(join(root, 'b/.coral-reef/files'), { recursive: true });
  await writeFile(join(root, 'b/.coral-reef/files/precious'), 'data');
  await assert.rejects(createVolume(join(root, 'v'), tiers), refused(4, /another volume/));
  assert.equal(await readFile(join(root, 'b/.coral-reef/files/precious'), 'utf8'), 'data');
  await assert.rejects(stat(join(root, 'a/.coral-reef')));
});

test('bad tier directories are refused by name, and nothing is left behind', async (t) => {
  const root = await temporaryDirectory(t);
  const [a, b] = await tierDirectories(root, 'a', 'b');
  await writeFile(join(root, 'file'), '');
  await symlink(a.path, join(root, 'link'));
  await mkdir(join(root, 'a/inner'));
  const cases: [string, RegExp][] = [
    [join(root, 'absent'), /tier bad: .*absent: the directory does not exist/],
    [join(root, 'file'), /tier bad: .*file is not a directory/],
    [join(root, 'link'), /tier bad: .*link is the directory of tier a too/],
    [join(root, 'a/inner'), /tier bad: .*inner lies inside tier a/],
    [root, /tier a: .* lies inside tier bad/],
  ];
  for (const [path, pattern] of cases) {
    const made = createVolume(join(root, 'v'), [a, { name: 'bad', path }, b]);
    await assert.rejects(made, refused(4, pattern), path);
    await assert.rejects(stat(join(root, 'a/.coral-reef')), path);
    await assert.rejects(stat(join(root, 'v')), path);
  }
});

test('where the volume can not be made, the reason is said and no tier is claimed', async (t) => {
  const root = await temporaryDirectory(t);
  const [a, ro] = await tierDirectories(root, 'a', 'ro');
  await writeFile(join(root, 'file'), '');
  const cases: [string, RegExp][] = [
    ['/proc/coral-reef', /no directory can be made in \/proc/],
    ['/proc/coral-reef/deeper', /no directory can be made in \/proc/],
    ['/proc', /can't make the volume \/proc: /],
    [join(ro.path, 'v'), /it is read-only/],
    [ro.path, /it is read-only/],
    [join(root, 'file'), /it is not a directory/],
  ];
  await withTmpfs(ro.path, 'ro', async () => {
    for (const [path, pattern] of cases) {
      await assert.rejects(createVolume(path, [a]), refused(4, pattern), path);
      assert.deepEqual(await readdir(a.path), [], path);
    }
  });
});

test('where the last tier can not be marked, nothing that was made stays', async (t) => {
  const root = await temporaryDirectory(t);
  const [a, full] = await tierDirectories(root, 'a', 'full');
  await withTmpfs(full.path, 'nr_inodes=20', async () => {
    const made = createVolume(join(root, 'new/v'), [a, full]);
    await assert.rejects(made, refused(4, /no space left/));
    assert.deepEqual(await readdir(full.path), []);
  });
  assert.deepEqual((await readdir(root)).sort(), ['a', 'full']);
  await createVolume(join(root, 'v'), [a]);
});

test('tier names that can not be typed in an option are wrong usage', async (t) => {
  const root = await temporaryDirectory(t);
  const [a] = await tierDirectories(root, 'a');
  for (const name of ['', 'a b', 'a=b', 'a.b', 'a,b', '-a', 'x'.repeat(33)]) {
    await assert.rejects(createVolume(join(root, 'v'), [{ ...a, name }]), refused(2, /tier name/));
  }
  await assert.rejects(createVolume(join(root, 'v'), [a, a]), refused(2, /used twice/));
  await assert.rejects(createVolume(join(root, 'v'), []), refused(2, /at least one/));
});

test('what is no volume, damaged, or of a later format is refused with the way out', async (t) => {
  const root = await temporaryDirectory(t);
  await assert.rejects(readVolume(join(root, 'v')), refused(4, /coral-reef init/));
  const tiers = await tierDirectories(root, 'a');
  const made = await createVolume(join(root, 'v'), tiers);
  const file = join(root, 'v/volume.json');
  const cases: [string, RegExp][] = [
    [JSON.stringify({ ...made, format: 2 }), /format 2, this version knows 1/],
    ['{', /not valid JSON/],
    ['null', /damaged/],
    ['[]', /damaged/],
    [JSON.stringify({ ...made, tiers: [] }), /damaged/],
    [JSON.stringify({ ...made, tiers: [{ ...made.tiers[0], id: 0 }] }), /damaged/],
    [JSON.stringify({ ...made, tiers: [made.tiers[0], made.tiers[0]] }), /damaged/],
    [JSON.stringify({ ...made, id: '../../x' }), /damaged/],
  ];
  for (const [text, pattern] of cases) {
    await writeFile(file, text);
    await assert.rejects(readVolume(join(root, 'v')), refused(4, pattern), text);
  }
  await rm(file);
  await assert.rejects(readVolume(join(root, 'v')), refused(4, /no volume\.json/));
});
