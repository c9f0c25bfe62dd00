import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Recipe } from '../../src/content/types.js';
import type { MigrationDeps } from '../../src/migration/deps.js';
import { openJournal } from '../../src/migration/journal.js';
import { recoverJobs } from '../../src/migration/recover.js';
import { damage, rotTo } from './damage.js';
import { atEnd, openWorld, quiet, randomBytesOf, temporaryRoot, world } from './world.js';

const MiB = 1024 * 1024;

/** Damages what was packed before it is checked, `times` times. */
function damaging(
  times: number,
  seen: (part: Recipe) => void = () => {},
): (deps: MigrationDeps) => MigrationDeps {
  return (deps) => ({
    ...deps,
    content: {
      ...deps.content,
      planForRecipe: async (recipe: Recipe) => {
        const plan = await deps.content.planForRecipe(recipe);
        seen(recipe);
        if (times-- > 0) await damage(plan, 1);
        return plan;
      },
    },
  });
}

test('a pack that reads back wrong is noticed before the switch and healed', async (t) => {
  const w = await world(t, { wrap: damaging(1) });
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'packed hdd');
  assert.ok((await w.read(inode)).equals(data));
});

test('a part that reads back wrong is healed after the parts behind it were packed', async (t) => {
  const parts: number[] = [];
  const w = await world(t, { wrap: damaging(1, ({ lengths }) => parts.push(lengths.length)) });
  const data = randomBytesOf('long', 180 * MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  // Twice the same parts, since the first of them was damaged at first.
  assert.ok(parts.length >= 4);
  assert.deepEqual(parts.slice(parts.length / 2), parts.slice(0, parts.length / 2));
  assert.equal(w.formOf(inode), 'packed hdd');
  await w.done('promote', inode, 'nvme');
  assert.ok((await w.read(inode)).equals(data));
});

test('a move that is cancelled while a part is read back leaves the plain file', async (t) => {
  let cancel: () => unknown = () => undefined;
  const w = await world(t, {
    wrap: (deps) => ({
      ...deps,
      content: {
        ...deps.content,
        planForRecipe: async (recipe: Recipe) => {
          const plan = await deps.content.planForRecipe(recipe);
          setImmediate(() => cancel());
          return plan;
        },
      },
    }),
  });
  const data = randomBytesOf('long', 180 * MiB);
  const inode = await w.add('f', data);
  cancel = () => w.move('promote', inode, 'nvme');
  await assert.rejects(w.done('demote', inode, 'hdd'), /the job was cancelled/);
  assert.equal(w.formOf(inode), 'plain nvme');
  assert.ok((await w.read(inode)).equals(data));
});

test('a disk that never reads back right gets no file', async (t) => {
  const w = await world(t, { wrap: damaging(9) });
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await assert.rejects(
    w.done('demote', inode, 'hdd'),
    /could not demote \/f to hdd: the packed copy on tier hdd reads back wrong; check the disk/,
  );
  assert.equal(w.formOf(inode), 'plain nvme');
  assert.ok((await w.read(inode)).equals(data));
});

test('a tier that has too little room for one file still takes smaller ones', async (t) => {
  const wrap = (deps: MigrationDeps): MigrationDeps => ({
    ...deps,
    tiers: { ...deps.tiers, usage: (tier) => ({ ...deps.tiers.usage(tier), free: 2 * MiB }) },
  });
  const w = await world(t, { wrap });
  const large = await w.add('large', randomBytesOf('a', 3 * MiB));
  const small = await w.add('small', randomBytesOf('b', MiB));
  await assert.rejects(w.done('demote', large, 'hdd', false), { code: 'ENOSPC' });
  await w.done('demote', small, 'hdd', false);
  assert.equal(w.formOf(small), 'plain hdd');
});

test('a second file heals the damaged chunks that it shares with a first one', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const first = await w.add('one', data);
  await w.done('demote', first, 'hdd');
  await damage(await w.content.planFor(first.ino), 2);
  const second = await w.add('two', data);
  await w.done('demote', second, 'hdd');
  assert.ok((await w.read(second)).equals(data));
  assert.ok((await w.read(first)).equals(data));
});

test('a hot copy repairs its damaged packed form instead of being dropped', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  await w.done('promote', inode, 'nvme');
  await damage(await w.content.planFor(inode.ino), 2);
  await w.done('demote', inode, 'hdd');
  assert.equal(w.formOf(inode), 'packed hdd');
  assert.ok((await w.read(inode)).equals(data));
});

for (const rot of ['another byte', 'cut short', 'gone'] as const) {
  for (const size of [MiB, 3000]) {
    test(`a hot copy that rotted (${rot}) is dropped for its good packed form, ${size} bytes`, async (t) => {
      const w = await world(t);
      const data = randomBytesOf('a', size);
      const inodes = [await w.add('f', data), await w.add('g', randomBytesOf('b', size))];
      for (const inode of inodes) await w.done('demote', inode, 'hdd');
      for (const inode of inodes) await w.done('promote', inode, 'nvme');
      const path = w.tiers.backingPath(w.tiers.byName('nvme')!, inodes[0].ino);
      const rotten = Buffer.from(data);
      rotten[100] ^= 1;
      if (rot === 'gone') await rm(path);
      else await rotTo(path, rot === 'cut short' ? data.subarray(0, 100) : rotten);
      await Promise.all(inodes.map((inode) => w.done('demote', inode, 'hdd')));
      for (const inode of inodes) assert.equal(w.formOf(inode), 'packed hdd');
      assert.ok((await w.read(inodes[0])).equals(data));
      assert.deepEqual(await w.backing('nvme'), []);
    });
  }
}

test('where both forms of a file rotted neither is given up', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd');
  await w.done('promote', inode, 'nvme');
  const path = w.tiers.backingPath(w.tiers.byName('nvme')!, inode.ino);
  const rotten = Buffer.from(data);
  rotten[100] ^= 1;
  await rotTo(path, rotten);
  await damage(await w.content.planFor(inode.ino), 2);
  await assert.rejects(
    w.done('demote', inode, 'hdd'),
    /its plain copy and its packed form are damaged/,
  );
  assert.equal(w.formOf(inode), 'plain nvme + packed hdd');
  await damage(await w.content.planFor(inode.ino), 2);
  await w.done('demote', inode, 'hdd');
  assert.ok((await w.read(inode)).equals(data));
});

for (const changed of [false, true]) {
  test(`a hot copy replaces its lost packed form only as it was packed (changed: ${changed})`, async (t) => {
    const root = await temporaryRoot(t);
    const data = randomBytesOf('a', MiB);
    const first = await openWorld(root);
    const { ino } = await first.add('f', data);
    await first.done('demote', first.namespace.get(ino)!, 'hdd');
    await first.done('promote', first.namespace.get(ino)!, 'nvme');
    await first.close();
    const packs = join(root, 'hdd/.coral-reef/packs');
    for (const name of await readdir(packs)) await rm(join(packs, name));
    const w = await openWorld(root);
    atEnd(t, () => w.close());
    const inode = w.namespace.get(ino)!;
    if (changed) {
      const path = w.tiers.backingPath(w.tiers.byName('nvme')!, ino);
      await writeFile(path, randomBytesOf('b', MiB));
      await assert.rejects(w.done('demote', inode, 'hdd'), /could not demote/);
    } else {
      await w.done('demote', inode, 'hdd');
      assert.ok((await w.read(inode)).equals(data));
    }
    assert.equal(w.formOf(inode), changed ? 'plain nvme + packed hdd' : 'packed hdd');
  });
}

test('a damaged packed file is not promoted to wrong bytes', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  await w.done('demote', inode, 'hdd');
  await damage(await w.content.planFor(inode.ino), 2);
  await assert.rejects(w.done('promote', inode, 'nvme'), /could not promote \/f to nvme/);
  await assert.rejects(w.migration.hydrateNow(inode.ino));
  assert.equal(w.formOf(inode), 'packed hdd');
  assert.deepEqual(await w.backing('nvme'), []);
});

test('a source that got lost on its disk fails, and nothing takes its place', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', MiB));
  const path = w.tiers.backingPath(w.tiers.byName('nvme')!, inode.ino);
  const file = await open(path, 'r+');
  await file.truncate(MiB - 1);
  await file.close();
  for (const pack of [true, false]) {
    await assert.rejects(
      w.done('demote', inode, 'hdd', pack),
      /has 1048575 bytes instead of 1048576/,
    );
  }
  await rm(path);
  for (const pack of [true, false]) {
    await assert.rejects(w.done('demote', inode, 'hdd', pack), /could not demote \/f to hdd/);
  }
  assert.equal(w.formOf(inode), 'plain nvme');
  assert.deepEqual(await w.backing('hdd'), []);
});

test('a full disk fails the move, keeps the file and leaves no half copy (root)', async (t) => {
  const root = await temporaryRoot(t);
  await mkdir(join(root, 'hdd'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', join(root, 'hdd')]);
  atEnd(t, () => execFileSync('umount', [join(root, 'hdd')]));
  const w = await openWorld(root);
  atEnd(t, () => w.close());
  const data = randomBytesOf('a', 16 * MiB);
  const small = await w.add('small', data.subarray(0, MiB));
  const inode = await w.add('f', data);
  for (const pack of [true, false]) {
    await assert.rejects(w.done('demote', inode, 'hdd', pack), (error: Error) => {
      assert.match(error.message, /^could not demote \/f to hdd: .*(full|space|free)/);
      assert.ok(!error.message.includes('\n'));
      return true;
    });
    assert.equal(w.tiers.byName('hdd')!.state, 'full');
    assert.equal(w.formOf(inode), 'plain nvme');
    assert.ok((await w.read(inode)).equals(data));
    assert.deepEqual(await w.backing('hdd'), []);
  }
  assert.ok((await w.read(small)).equals(data.subarray(0, MiB)));
});

test('a background wish leaves a file alone whose move has just failed', async (t) => {
  const settings = { coldAfterMs: 0, watermarks: { high: 99, low: 98 } };
  const w = await world(t, { settings, wrap: damaging(99) });
  w.migration.pause();
  const inode = await w.add('f', randomBytesOf('a', MiB));
  w.migration.resume();
  while (w.migration.status().failed === 0) {
    await w.migration.sweep();
    await delay(5);
  }
  await w.migration.sweep();
  await w.migration.sweep();
  assert.equal(w.migration.status().queued + w.migration.status().running.length, 0);
  assert.equal(w.migration.status().failed, 1);
  assert.equal(w.formOf(inode), 'plain nvme');
});

test('a rename that a power cut undid is done again, from the verified copy', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  await w.done('demote', inode, 'hdd', false);
  const [nvme, hdd] = [w.tiers.byName('nvme')!, w.tiers.byName('hdd')!];
  // The transaction is durable; the rename into place and what followed are not.
  await rename(w.tiers.backingPath(hdd, inode.ino), w.tiers.incomingPath(hdd, inode.ino));
  await writeFile(w.tiers.backingPath(nvme, inode.ino), data);
  await writeFile(`${w.tiers.incomingPath(nvme, 77)}.released`, 'old');
  const record = JSON.stringify({ v: 1, ino: inode.ino, source: nvme.id, target: hdd.id });
  w.store.table('jobs').put(Buffer.alloc(8, 1), Buffer.from(record));
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 0 });
  assert.ok((await w.read(inode)).equals(data));
  assert.deepEqual(await w.backing('nvme'), []);
  assert.equal((await w.backing('hdd')).length, 1);
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 0, kept: 0 });
});

test('a verified copy that can not be put in place keeps the volume from starting, and stays', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('only copy', 5000);
  const inode = await w.add('f', data);
  const nvme = w.tiers.byName('nvme')!;
  const [place, incoming] = [
    w.tiers.backingPath(nvme, inode.ino),
    w.tiers.incomingPath(nvme, inode.ino),
  ];
  // As after a power cut that undid the rename.
  const record = JSON.stringify({ v: 1, ino: inode.ino, source: 0, target: nvme.id });
  w.store.table('jobs').put(Buffer.alloc(8, 1), Buffer.from(record));
  await rename(place, incoming);
  await rename(dirname(place), `${dirname(place)}-elsewhere`);
  await assert.rejects(recoverJobs({ ...w, log: quiet }), { code: 'ENOENT' });
  assert.ok((await readFile(incoming)).equals(data));
  await rename(`${dirname(place)}-elsewhere`, dirname(place));
  await recoverJobs({ ...w, log: quiet });
  assert.ok((await w.read(inode)).equals(data));
});

test('a copy whose switch was not durable goes, the file stays where it was', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  const [nvme, hdd] = [w.tiers.byName('nvme')!, w.tiers.byName('hdd')!];
  await writeFile(w.tiers.backingPath(hdd, inode.ino), data);
  await writeFile(w.tiers.incomingPath(hdd, inode.ino), data.subarray(0, 1000));
  const record = JSON.stringify({ v: 1, ino: inode.ino, source: nvme.id, target: hdd.id });
  w.store.table('jobs').put(Buffer.alloc(8, 1), Buffer.from(record));
  await recoverJobs({ ...w, log: quiet });
  assert.ok((await w.read(inode)).equals(data));
  assert.deepEqual(await w.backing('hdd'), []);
});

for (const pack of [true, false]) {
  test(`an old copy stays while the tier of the new one is missing (pack: ${pack})`, async (t) => {
    const w = await world(t);
    const data = randomBytesOf('a', MiB);
    const inode = await w.add('f', data);
    const [nvme, hdd] = [w.tiers.byName('nvme')!, w.tiers.byName('hdd')!];
    await w.done('demote', inode, 'hdd', pack);
    // As if the power had gone right after the switch.
    const old = w.tiers.backingPath(nvme, inode.ino);
    await writeFile(old, data);
    const record = { ino: inode.ino, source: nvme.id, target: pack ? 0 : hdd.id };
    await openJournal(w.store).begin(record);
    await rename(join(w.root, 'hdd'), join(w.root, 'unplugged'));
    await w.tiers.refresh();
    assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 1 });
    assert.ok((await readFile(old)).equals(data));
    await rename(join(w.root, 'unplugged'), join(w.root, 'hdd'));
    await w.tiers.refresh();
    assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 0 });
    assert.deepEqual(await w.backing('nvme'), []);
    assert.ok((await w.read(inode)).equals(data));
  });
}

test('an old copy stays where the disk of the new one lost it, also one set aside', async (t) => {
  const w = await world(t);
  const data = randomBytesOf('a', MiB);
  const inode = await w.add('f', data);
  const [nvme, hdd] = [w.tiers.byName('nvme')!, w.tiers.byName('hdd')!];
  await w.done('demote', inode, 'hdd', false);
  await rm(w.tiers.backingPath(hdd, inode.ino));
  const old = w.tiers.backingPath(nvme, inode.ino);
  const aside = `${w.tiers.incomingPath(nvme, inode.ino)}.released`;
  for (const path of [old, aside]) await writeFile(path, data);
  await openJournal(w.store).begin({ ino: inode.ino, source: nvme.id, target: hdd.id });
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 1 });
  for (const path of [old, aside]) assert.ok((await readFile(path)).equals(data));
  await w.remove(inode);
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 0 });
  assert.deepEqual(await w.backing('nvme'), []);
});

test('what a missing tier holds of a move is kept until it is back', async (t) => {
  const w = await world(t);
  const inode = await w.add('f', randomBytesOf('a', 1000));
  const hdd = w.tiers.byName('hdd')!;
  await writeFile(w.tiers.incomingPath(hdd, inode.ino), 'half');
  const record = JSON.stringify({ v: 1, ino: inode.ino, source: 1, target: hdd.id });
  w.store.table('jobs').put(Buffer.alloc(8, 1), Buffer.from(record));
  await rename(join(w.root, 'hdd'), join(w.root, 'unplugged'));
  await w.tiers.refresh();
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 1 });
  await rename(join(w.root, 'unplugged'), join(w.root, 'hdd'));
  await w.tiers.refresh();
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 0 });
  assert.deepEqual(await readdir(dirname(w.tiers.incomingPath(hdd, 0))), []);
});
