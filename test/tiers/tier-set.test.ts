import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CoralError } from '../../src/config/errors.js';
import { openTierSet } from '../../src/tiers/tier-set.js';
import { makeVolume, quiet } from './volume-dirs.js';

function unusable(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CoralError);
    assert.equal(error.exitCode, 4);
    assert.match(error.message, pattern);
    return true;
  };
}

test('paths lie below the tier, and their directories exist', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme', 'hdd');
  const set = await open();
  const tier = set.byName('hdd')!;
  assert.equal(set.backingPath(tier, 0x1234), join(root, 'hdd/.coral-reef/files/34/1234'));
  assert.equal(set.incomingPath(tier, 0x1234), join(root, 'hdd/.coral-reef/incoming/1234'));
  assert.equal(set.packPath(tier, 0xab), join(root, 'hdd/.coral-reef/packs/000000ab.pack'));
  for (const path of [set.backingPath(tier, 255), set.incomingPath(tier, 1)]) {
    await readdir(dirname(path));
  }
  const big = Number.MAX_SAFE_INTEGER;
  assert.equal(set.backingPath(tier, big), join(root, 'hdd/.coral-reef/files/ff/1fffffffffffff'));
});

test('the bare mount point of a disk that is not there is never written to', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme', 'hdd');
  await rename(join(root, 'hdd'), join(root, 'unplugged'));
  await mkdir(join(root, 'hdd'));
  await assert.rejects(
    open(),
    unusable(/tier hdd: .*hdd has lost its marker .*is its disk mounted/),
  );
  const degraded = await open({ missingTier: 'degraded' });
  const hdd = degraded.byName('hdd')!;
  assert.equal(hdd.state, 'missing');
  assert.match(hdd.problem!, /lost its marker/);
  assert.equal(degraded.usage(hdd).free, 0);
  assert.equal(degraded.byName('nvme')!.state, 'ok');
  assert.deepEqual(await readdir(join(root, 'hdd')), []);
});

test('a disk that goes and comes back is noticed both times', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme', 'hdd');
  const set = await open();
  const hdd = set.byName('hdd')!;
  await rename(join(root, 'hdd'), join(root, 'unplugged'));
  await set.refresh();
  assert.equal(hdd.state, 'missing');
  await rename(join(root, 'unplugged'), join(root, 'hdd'));
  await set.refresh();
  assert.equal(hdd.state, 'ok');
  assert.equal(hdd.problem, null);
});

test('the disk of another volume, or another tier of this one, is refused', async (t) => {
  const one = await makeVolume(t, 'nvme', 'hdd');
  const two = await makeVolume(t, 'nvme', 'hdd');
  const foreign = { hdd: join(two.root, 'hdd') };
  await assert.rejects(one.open({ overrides: foreign }), unusable(/belongs to another volume/));
  // Degraded is for disks that are not there, not for wrong ones.
  await assert.rejects(
    one.open({ overrides: foreign, missingTier: 'degraded' }),
    unusable(/belongs to another volume/),
  );
  const swapped = { nvme: join(one.root, 'hdd'), hdd: join(one.root, 'nvme') };
  await assert.rejects(one.open({ overrides: swapped }), unusable(/is tier hdd of this volume/));
});

test('a tier that was mounted elsewhere is found by its option', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme', 'hdd');
  await rename(join(root, 'hdd'), join(root, 'moved'));
  await assert.rejects(open(), unusable(/tier hdd: .* does not exist/));
  const set = await open({ overrides: { hdd: join(root, 'moved') } });
  assert.equal(set.byName('hdd')!.path, join(root, 'moved'));
  await assert.rejects(open({ overrides: { hhd: '/x' } }), /option tier\.hhd.*it has nvme, hdd/);
});

test('markers that are damaged or of a later format are refused', async (t) => {
  const { root, open, volume } = await makeVolume(t, 'nvme');
  const marker = join(root, 'nvme/.coral-reef/tier.json');
  const good = { format: 1, volume: volume.id, tier: 1, name: 'nvme' };
  const cases: [string, RegExp][] = [
    ['', /can't be read: it is not valid JSON/],
    ['{}', /can't be read: it has no format/],
    [JSON.stringify({ ...good, format: 9 }), /has format 9, this version knows 1/],
    [JSON.stringify({ ...good, volume: undefined }), /a field is missing/],
  ];
  for (const [text, pattern] of cases) {
    await writeFile(marker, text);
    await assert.rejects(open(), unusable(pattern), text);
    // The only tier: there is nothing left to serve.
    await assert.rejects(open({ missingTier: 'degraded' }), unusable(pattern), text);
  }
});

test('accounted bytes survive a restart and never fall below zero', async (t) => {
  const { open, store } = await makeVolume(t, 'nvme', 'hdd');
  const set = await open();
  const hdd = set.byName('hdd')!;
  set.accountPlain(hdd, 5_000_000_000);
  set.accountPacked(hdd, 300);
  set.accountPlain(hdd, -1_000_000_000);
  set.accountPacked(hdd, -1000);
  await store.commit();
  const again = await open();
  const { plainBytes, packedBytes, used } = again.usage(again.byName('hdd')!);
  assert.deepEqual([plainBytes, packedBytes, used], [4_000_000_000, 0, 4_000_000_000]);
  assert.equal(again.usage(again.byName('nvme')!).used, 0);
});

test('a capacity limit bounds what can be placed, and its end is a full tier', async (t) => {
  const { volume, store } = await makeVolume(t, 'nvme', 'hdd');
  volume.tiers[0].capacity = 1_000_000;
  const set = await openTierSet({
    volume,
    overrides: {},
    missingTier: 'fail',
    store,
    log: quiet,
  });
  const nvme = set.byName('nvme')!;
  assert.equal(set.usage(nvme).free, 1_000_000);
  set.accountPlain(nvme, 995_000);
  assert.equal(set.usage(nvme).free, 5000);
  await set.refresh();
  assert.equal(nvme.state, 'full');
  assert.match(nvme.problem!, /tier nvme: .* is full; free space there, or raise its capacity/);
  set.accountPlain(nvme, -500_000);
  set.lookAtFull();
  assert.equal(nvme.state, 'ok');
  assert.equal(nvme.problem, null);
});

test('a tier where a write found no space takes no new data for a while', async (t) => {
  const { open } = await makeVolume(t, 'nvme');
  const set = await open();
  const nvme = set.byName('nvme')!;
  set.noteFull(nvme);
  assert.equal(nvme.state, 'full');
  await set.refresh();
  set.lookAtFull();
  assert.equal(nvme.state, 'full');
});

test('it takes data again once some of its own was given back', async (t) => {
  const { open } = await makeVolume(t, 'nvme');
  const set = await open();
  const nvme = set.byName('nvme')!;
  set.accountPlain(nvme, 5000);
  set.noteFull(nvme);
  set.accountPlain(nvme, -1000);
  set.lookAtFull();
  assert.equal(nvme.state, 'ok');
});

test('a full disk takes data again once somebody freed space there, also where a write had failed (root)', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme', 'hdd');
  const disk = join(root, 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
  try {
    execFileSync('cp', ['-a', `${root}/hdd/.`, disk]);
    const set = await open({ overrides: { hdd: disk } });
    const tier = set.byName('hdd')!;
    await writeFile(join(disk, 'filler'), Buffer.alloc(60 << 20));
    await delay(200); // what was seen just before is used again
    set.noteFull(tier);
    await rm(join(disk, 'filler'));
    while (tier.state === 'full') {
      await delay(20);
      set.lookAtFull();
    }
  } finally {
    execFileSync('umount', ['-l', disk]);
  }
});

test('a read-only disk is refused, tolerated where asked, and fine for a read-only mount (root)', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme', 'hdd');
  const hdd = join(root, 'hdd');
  execFileSync('mount', ['--bind', hdd, hdd]);
  try {
    execFileSync('mount', ['-o', 'remount,bind,ro', hdd]);
    await assert.rejects(open(), unusable(/tier hdd: .* is read-only/));
    const degraded = await open({ missingTier: 'degraded' });
    assert.equal(degraded.byName('hdd')!.state, 'read-only');
    const readOnly = await open({ readOnly: true });
    assert.equal(readOnly.byName('hdd')!.state, 'ok');
  } finally {
    execFileSync('umount', [hdd]);
  }
});

test('directories that a crash of init left out are made at mount', async (t) => {
  const { root, open } = await makeVolume(t, 'nvme');
  await rm(join(root, 'nvme/.coral-reef/files/7f'), { recursive: true });
  await open();
  await readdir(join(root, 'nvme/.coral-reef/files/7f'));
});
