/** Small files that are packed in one step: the same result as one by one, whatever befalls some of them. */
import assert from 'node:assert/strict';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { checkVolume } from '../../src/integrity/fsck.js';
import type { MigrationDeps } from '../../src/migration/deps.js';
import { recoverJobs } from '../../src/migration/migration.js';
import type { Inode } from '../../src/namespace/types.js';
import { native, type PackedPlan } from '../../src/native.js';
import { ggufFile, type GgufValue } from '../../scripts/fixtures/gguf-writer.js';
import { atEnd, quiet, randomBytesOf, type World, world } from './world.js';

/** Tells which files each group has, and what to do once a group is packed, before it is read back. */
function watching(
  groups: number[][],
  packed: (plan: PackedPlan) => unknown = () => undefined,
): (deps: MigrationDeps) => MigrationDeps {
  return (deps) => ({
    ...deps,
    content: {
      ...deps.content,
      packTogether: (inos, ...rest) => {
        groups.push([...inos]);
        return deps.content.packTogether(inos, ...rest);
      },
      planForRecipe: async (recipe) => {
        const plan = await deps.content.planForRecipe(recipe);
        if (recipe.ino === 0) await packed(plan);
        return plan;
      },
    },
  });
}

/** One tensor, and what comes before it. */
function safetensors(note: string, tensor: Buffer): Buffer {
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: { note },
      w: { dtype: 'U8', shape: [tensor.length], data_offsets: [0, tensor.length] },
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, tensor]);
}

function contents(): Buffer[] {
  const tensor = randomBytesOf('tensor', 300_000);
  return [
    Buffer.of(7),
    Buffer.alloc(100_000),
    Buffer.concat([randomBytesOf('holes', 50_000), Buffer.alloc(200_000), Buffer.of(1)]),
    randomBytesOf('long', 900_000),
    randomBytesOf('long', 900_000),
    safetensors('one', tensor),
    safetensors('another, with a longer header', tensor),
    ...Array.from({ length: 40 }, (_, i) => randomBytesOf(`small ${i}`, 100 + 997 * i)),
  ];
}

async function addAll(w: World, all: readonly Buffer[]): Promise<Inode[]> {
  const inodes: Inode[] = [];
  for (const [i, data] of all.entries()) inodes.push(await w.add(`file ${i}`, data));
  return inodes;
}

const demoteAll = (w: World, inodes: readonly Inode[]): Promise<PromiseSettledResult<void>[]> =>
  Promise.allSettled(inodes.map((inode) => w.done('demote', inode, 'hdd')));

test('small files are packed together, just as they would be one by one', async (t) => {
  const groups: number[][] = [];
  const [w, alone] = [await world(t, { wrap: watching(groups) }), await world(t)];
  const all = contents();
  const [inodes, others] = [await addAll(w, all), await addAll(alone, all)];
  await demoteAll(w, inodes);
  for (const inode of others) await alone.done('demote', inode, 'hdd');
  assert.deepEqual(
    groups.flat(),
    inodes.map(({ ino }) => ino),
  );
  assert.ok(groups.length < 4);
  for (const [i, inode] of inodes.entries()) {
    assert.equal(w.formOf(inode), 'packed hdd');
    assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
    assert.equal(inode.digest, others[i].digest);
    const [here, there] = [
      await w.content.planFor(inode.ino),
      await alone.content.planFor(others[i].ino),
    ];
    assert.deepEqual(here.lengths, there.lengths, `file ${i}`);
    assert.equal(inode.packedBytes > 0, others[i].packedBytes > 0);
  }
  assert.deepEqual(w.content.savings(), alone.content.savings());
  assert.deepEqual(await w.backing('nvme'), []);
  assert.equal(w.tiers.usage(w.tiers.byName('nvme')!).plainBytes, 0);
  assert.equal(w.migration.status().completed, all.length);
});

test('an old copy that can not be removed costs no other file of the group its move', async (t) => {
  const groups: number[][] = [];
  const w = await world(t, { wrap: watching(groups) });
  const all = Array.from({ length: 9 }, (_, i) => randomBytesOf(`${i}`, 3000 + i));
  const inodes = await addAll(w, all);
  const stuck = inodes[3];
  // In the way of the name under which the old copy is set aside.
  await mkdir(`${w.tiers.incomingPath(w.tiers.byName('nvme')!, stuck.ino)}.released`);
  const ended = await Promise.allSettled(inodes.map((inode) => w.done('demote', inode, 'hdd')));
  assert.equal(groups[0].length, all.length);
  assert.deepEqual(
    inodes.filter((_, i) => ended[i].status === 'rejected'),
    [stuck],
  );
  for (const [i, inode] of inodes.entries()) {
    assert.equal(w.formOf(inode), 'packed hdd');
    assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
  }
  const left = async (): Promise<string[]> =>
    (await w.backing('nvme')).filter((path) => path.startsWith('files/'));
  assert.deepEqual(
    (await left()).map((path) => basename(path)),
    [stuck.ino.toString(16)],
  );
  // The journal knows of that one alone, and what is in the way keeps no volume from starting.
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: 1, kept: 0 });
  assert.deepEqual(await left(), []);
});

test('old copies on a disk that vanishes after the switch are removed once it is back', async (t) => {
  let vanish = async (): Promise<void> => undefined;
  const w = await world(t, { wrap: watching([], () => vanish()) });
  const root = join(w.tiers.byName('nvme')!.path, '.coral-reef');
  const all = Array.from({ length: 9 }, (_, i) => randomBytesOf(`${i}`, 3000 + i));
  const inodes = await addAll(w, all);
  vanish = () => rename(root, `${root}-elsewhere`);
  const ended = await demoteAll(w, inodes);
  assert.ok(ended.every(({ status }) => status === 'rejected'));
  await rename(`${root}-elsewhere`, root);
  assert.equal((await w.backing('nvme')).length, all.length);
  assert.deepEqual(await recoverJobs({ ...w, log: quiet }), { jobs: all.length, kept: 0 });
  assert.deepEqual(await w.backing('nvme'), []);
  for (const [i, inode] of inodes.entries()) assert.ok((await w.read(inode)).equals(all[i]));
});

test('a file that is opened, written, deleted or wanted elsewhere meanwhile loses nothing', async (t) => {
  const groups: number[][] = [];
  let meanwhile: () => Promise<unknown> = async () => undefined;
  const w = await world(t, {
    wrap: watching(groups, async () => {
      const now = meanwhile;
      meanwhile = async () => undefined;
      await now();
    }),
  });
  const all = Array.from({ length: 12 }, (_, i) => randomBytesOf(`${i}`, 5000 + i));
  const inodes = await addAll(w, all);
  const [opened, written, deleted, wanted] = inodes.slice(4);
  const anew = randomBytesOf('anew', 6000);
  let reader = { close() {} };
  meanwhile = async () => {
    reader = w.activity.open(opened.ino, 'read');
    await w.overwrite(written, anew);
    await w.remove(deleted);
    w.move('promote', wanted, 'nvme');
  };
  const ended = demoteAll(w, inodes);
  // All but the one that is open.
  while (w.migration.status().queued > 0 || w.migration.status().running.length !== 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(w.formOf(opened), 'plain nvme');
  assert.equal(w.migration.status().running[0].state, 'waiting-for-close');
  reader.close();
  await ended;
  for (const [i, inode] of inodes.entries()) {
    if (inode === deleted) continue;
    assert.equal(w.formOf(inode), inode === wanted ? 'plain nvme' : 'packed hdd', `file ${i}`);
    assert.ok((await w.read(inode)).equals(inode === written ? anew : all[i]), `file ${i}`);
  }
  const left = await w.backing('nvme');
  assert.deepEqual(
    left.map((path) => basename(path)),
    [String(wanted.ino)],
  );
});

test('a group that reads back wrong is packed again, file by file', async (t) => {
  let damages = 1;
  const w = await world(t, {
    wrap: watching([], async (plan) => {
      if (damages-- <= 0) return;
      const file = await open(plan.packPaths[plan.packs[3]], 'r+');
      await file.write(Buffer.of(0), 0, 1, plan.offsets[3] + plan.stored[3] - 1);
      await file.close();
    }),
  });
  const all = Array.from({ length: 9 }, (_, i) =>
    Buffer.concat([randomBytesOf(`${i}`, 5000), Buffer.of(0xff)]),
  );
  const inodes = await addAll(w, all);
  await demoteAll(w, inodes);
  for (const [i, inode] of inodes.entries()) {
    assert.equal(w.formOf(inode), 'packed hdd');
    assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
  }
});

test('a header that goes on and on gives way after each read', async (t) => {
  const w = await world(t);
  const tokens = Array.from({ length: 40_000 }, (_, i) => `token ${i}`);
  const vocabulary: GgufValue = { type: 'array', of: 'string', values: tokens };
  const data = ggufFile(
    new Map([['tokenizer.tokens', vocabulary]]),
    new Map([['w', randomBytesOf('w', 50_000)]]),
  );
  const inodes = await addAll(w, [data, Buffer.concat([data, Buffer.of(1)])]);
  let turn = 0;
  let next = setImmediate(tick);
  function tick(): void {
    turn++;
    next = setImmediate(tick);
  }
  atEnd(t, () => clearImmediate(next));
  const turns: string[] = [];
  const { readFiles } = native;
  t.mock.method(native, 'readFiles', async (...args: Parameters<typeof readFiles>) => {
    const group = await readFiles(...args);
    const slice: typeof group.slice = (file, ...rest) => {
      turns.push(`${file} in turn ${turn}`);
      return group.slice(file, ...rest);
    };
    return { ...group, slice };
  });
  await demoteAll(w, inodes);
  assert.ok(turns.length > 40);
  assert.equal(new Set(turns).size, turns.length);
  assert.ok((await w.read(inodes[0])).equals(data));
});

test('of a group with a lost file the others are packed, and that one says what is wrong', async (t) => {
  const w = await world(t);
  const all = Array.from({ length: 9 }, (_, i) => randomBytesOf(`${i}`, 5000));
  const inodes = await addAll(w, all);
  const [lost, short] = inodes.slice(3);
  await rm(w.tiers.backingPath(w.tiers.byName('nvme')!, lost.ino));
  short.size += 1;
  w.namespace.update(short);
  const moves = inodes.map((inode) => w.done('demote', inode, 'hdd'));
  await Promise.allSettled(moves);
  await assert.rejects(moves[3], /could not demote \/file 3 to hdd: it does not exist/);
  await assert.rejects(moves[4], /its backing file has 5000 bytes instead of 5001/);
  for (const [i, inode] of inodes.entries()) {
    if (inode === lost || inode === short) continue;
    assert.equal(w.formOf(inode), 'packed hdd');
    assert.ok((await w.read(inode)).equals(all[i]), `file ${i}`);
  }
});

test('what a move replaced and has yet to release is no left-over for fsck', async (t) => {
  let look = async (): Promise<void> => {};
  const w = await world(t, { wrap: watching([], () => look()) });
  const inodes = await addAll(w, contents().slice(3));
  const [dropped, packed] = [inodes.slice(0, 20), inodes.slice(20)];
  await demoteAll(w, dropped);
  await Promise.all(dropped.map((inode) => w.done('promote', inode, 'nvme')));
  const leftOver = async (isMoving?: (ino: number) => boolean): Promise<string[]> => {
    const { problems } = await checkVolume({ ...w, isMoving }, { deep: false });
    return problems.filter(({ what }) => what === 'left-over').map(({ detail }) => detail);
  };
  const isMoving = (ino: number): boolean => w.migration.jobsOf(ino).length > 0;
  const seen: { told: string[]; untold: string[] }[] = [];
  look = async () => void seen.push({ told: await leftOver(isMoving), untold: await leftOver() });
  await demoteAll(w, [...dropped, ...packed]);
  assert.deepEqual(
    seen.map(({ told, untold }) => [told.length, untold.length]),
    [[0, dropped.length]],
  );
  assert.deepEqual(await leftOver(isMoving), []);
});
