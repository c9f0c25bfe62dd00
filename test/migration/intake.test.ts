/** Files from outside of the volume: each is packed whole as it was, or not at all, and nothing else suffers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { chmod, lstat, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkVolume } from '../../src/integrity/fsck.js';
import {
  cancel,
  type IntakeProgress,
  type IntakeResult,
  type IntakeUse,
  type OutsideFile,
} from '../../src/migration/intake.js';
import { ROOT_INO } from '../../src/namespace/types.js';
import type { PackedPlan } from '../../src/native.js';
import { damage } from './damage.js';
import { quiet, randomBytesOf, type World, world } from './world.js';

const NANO = 1_000_000_000n;

async function outside(w: World, name: string, data: Buffer): Promise<OutsideFile> {
  await mkdir(join(w.root, 'outside'), { recursive: true });
  const path = join(w.root, 'outside', name);
  await writeFile(path, data);
  return described(path);
}

async function described(path: string): Promise<OutsideFile> {
  const { dev, ino, size, mode, uid, gid, mtimeNs } = await lstat(path, { bigint: true });
  const [mtimeSec, mtimeNsec] = [Number(mtimeNs / NANO), Number(mtimeNs % NANO)];
  const [device, inode, bytes, permissions] = [dev, ino, size, mode & 0o7777n].map(Number);
  return {
    ...{ path, dev: device, ino: inode, size: bytes, mode: permissions },
    ...{ uid: Number(uid), gid: Number(gid), mtimeSec, mtimeNsec },
  };
}

const progress = (): IntakeProgress => ({ done: 0, total: 0, cancelled: false, control: null });

/** Makes an inode for each in the root directory, named by its index. */
function intoRoot(w: World, wants: IntakeUse['wants'] = () => true): IntakeUse {
  return {
    wants,
    add(file, { recipe, storedBytes, digest }) {
      const inode = w.namespace.create({ mode: 0o100644, uid: 0, gid: 0 });
      w.content.commitRecipe(recipe, inode.ino);
      const place = { nlink: 1, parent: ROOT_INO, name: `${file}`, size: recipe.size };
      const packedTier = w.tiers.byName('hdd')!.id;
      Object.assign(inode, { ...place, packedTier, packedBytes: storedBytes, digest });
      w.namespace.insert(ROOT_INO, inode.name, inode.ino, 8);
      w.namespace.update(inode);
    },
  };
}

function take(
  w: World,
  files: readonly OutsideFile[],
  use = intoRoot(w),
  work = progress(),
): Promise<IntakeResult[]> {
  return w.migration.intake.take(files, 'hdd', use, work);
}

async function contentAt(w: World, file: number): Promise<Buffer | undefined> {
  const entry = w.namespace.lookup(ROOT_INO, `${file}`);
  return entry && w.read(w.namespace.get(entry.ino)!);
}

async function expectSound({ namespace, content, tiers, store, migration }: World): Promise<void> {
  await store.commit();
  const deps = { namespace, content, tiers, store, log: quiet };
  const isMoving = (ino: number): boolean => migration.jobsOf(ino).length > 0;
  const { problems } = await checkVolume(
    { ...deps, isMoving } as Parameters<typeof checkVolume>[0],
    {
      deep: true,
    },
  );
  assert.deepEqual(problems, []);
}

test('small files and a long one are packed as they are, and leave no backing file', async (t) => {
  const w = await world(t);
  const contents = [
    Buffer.of(1),
    Buffer.alloc(70_000),
    ...Array.from({ length: 40 }, (_, i) => randomBytesOf(`s${i}`, 5000 + 991 * i)),
  ];
  const files: OutsideFile[] = [];
  for (const [i, data] of contents.entries()) files.push(await outside(w, `f${i}`, data));
  assert.deepEqual(new Set(await take(w, files)), new Set(['packed']));
  for (const [i, data] of contents.entries()) assert.deepEqual(await contentAt(w, i), data);

  const long = randomBytesOf('long', 9_000_000);
  const work = progress();
  const use = intoRoot(w);
  const later: IntakeUse = { ...use, add: (file, packed) => use.add(100 + file, packed) };
  assert.deepEqual(await take(w, [await outside(w, 'long', long)], later, work), ['packed']);
  assert.deepEqual(await contentAt(w, 100), long);
  assert.equal(work.total, 2 * long.length);
  assert.ok(work.done >= work.total, `${work.done} of ${work.total}`);
  for (const tier of ['nvme', 'ssd', 'hdd']) assert.deepEqual(await w.backing(tier), []);
  await expectSound(w);
});

test('what is not as it was described is not taken, and does not keep the others out', async (t) => {
  const w = await world(t);
  const good = randomBytesOf('good', 40_000);
  const names = ['good', 'gone', 'longer', 'touched', 'link', 'fifo', 'other', 'private'];
  const files: OutsideFile[] = [];
  for (const name of names) files.push(await outside(w, name, good));
  const [, gone, longer, touched, link, fifo, other, secret] = files.map(({ path }) => path);
  await rm(gone);
  await writeFile(longer, Buffer.concat([good, good]));
  await utimes(touched, 1, 1);
  await chmod(secret, 0o600);
  for (const path of [link, fifo, other]) await rm(path);
  await symlink('good', link);
  execFileSync('mkfifo', [fifo]);
  // Of the same name, size and time.
  await writeFile(`${other}.new`, good);
  await rm(other, { force: true });
  execFileSync('mv', [`${other}.new`, other]);
  await utimes(other, files[6].mtimeSec, files[6].mtimeSec);

  const [first, ...rest] = await take(w, files);
  assert.equal(first, 'packed');
  for (const [i, result] of rest.entries()) {
    assert.ok(result instanceof Error, `${names[i + 1]}: ${result}`);
    assert.equal(await contentAt(w, i + 1), undefined);
  }
  assert.match((rest[1] as Error).message, /changed while it was read/);
  assert.match((rest[0] as Error).message, /ENOENT/);
  await expectSound(w);
});

/** As somebody who owns the directory above may do at any time. */
function swapper(path: string, other: string): { there: () => void; back: () => void } {
  return {
    there() {
      renameSync(path, `${path}.aside`);
      symlinkSync(other, path);
    },
    back() {
      unlinkSync(path);
      renameSync(`${path}.aside`, path);
    },
  };
}

for (const [kind, bytes] of [
  ['a small file', 9000],
  ['a long file', 5_000_000],
] as const) {
  test(`of ${kind} nothing is taken that lies elsewhere, whatever is swapped while it is read`, async (t) => {
    let swap: ReturnType<typeof swapper> | undefined;
    const w = await world(t, {
      wrap: (deps) => ({
        ...deps,
        content: {
          ...deps.content,
          // Between looking at a long file and reading it, and between that and looking again.
          startPacking(...args) {
            const job = deps.content.startPacking(...args);
            swap?.there();
            const finish = job.finish.bind(job);
            return Object.assign(job, { finish: () => finish().finally(() => swap?.back()) });
          },
        },
        tiers: {
          ...deps.tiers,
          // Before a small file is read.
          async refresh() {
            await deps.tiers.refresh();
            if (bytes < 1 << 20) swap?.there();
          },
        },
      }),
    });
    const mine = randomBytesOf('mine', bytes);
    await mkdir(join(w.root, 'outside/folder'), { recursive: true });
    await mkdir(join(w.root, 'elsewhere'));
    await writeFile(join(w.root, 'elsewhere/file'), randomBytesOf('a secret', bytes));
    const file = await outside(w, 'folder/file', mine);
    swap = swapper(join(w.root, 'outside/folder'), join(w.root, 'elsewhere'));
    const use = intoRoot(w, () => {
      if (bytes < 1 << 20) swap?.back();
      swap = bytes < 1 << 20 ? undefined : swap;
      return true;
    });
    const [result] = await take(w, [file], use).finally(() => (swap = undefined));
    const taken = await contentAt(w, 0);
    if (result === 'packed') assert.deepEqual(taken, mine);
    else assert.equal(taken, undefined);
  });
}

test('what its content speaks against is left', async (t) => {
  const w = await world(t);
  const database = Buffer.concat([Buffer.from('SQLite format 3\0'), randomBytesOf('db', 30_000)]);
  const large = Buffer.concat([database, randomBytesOf('more', 2_000_000)]);
  const files = [
    await outside(w, 'a', database),
    await outside(w, 'b', randomBytesOf('b', 30_000)),
  ];
  const wants: IntakeUse['wants'] = (_file, head) => !head.toString('latin1').startsWith('SQLite');
  assert.deepEqual(await take(w, files, intoRoot(w, wants)), ['left', 'packed']);
  assert.deepEqual(await take(w, [await outside(w, 'l', large)], intoRoot(w, wants)), ['left']);
  assert.equal(await contentAt(w, 0), undefined);
});

test('a name that is taken meanwhile is an error of that file alone', async (t) => {
  const w = await world(t);
  const files = [
    await outside(w, 'a', randomBytesOf('a', 3000)),
    await outside(w, 'b', randomBytesOf('b', 3000)),
  ];
  const use = intoRoot(w);
  const results = await take(w, files, {
    ...use,
    add(file, packed) {
      if (file === 0) throw new Error('EEXIST');
      use.add(file, packed);
    },
  });
  assert.match((results[0] as Error).message, /EEXIST/);
  assert.equal(results[1], 'packed');
  await expectSound(w);
});

test('a dedup hit that is damaged is stored anew, so that what is taken is whole', async (t) => {
  let plan: PackedPlan | undefined;
  const w = await world(t, {
    wrap: (deps) => ({
      ...deps,
      content: {
        ...deps.content,
        planForRecipe: async (recipe) => (plan = await deps.content.planForRecipe(recipe)),
      },
    }),
  });
  const data = randomBytesOf('twice', 50_000);
  const first = await outside(w, 'first', data);
  assert.deepEqual(await take(w, [first]), ['packed']);
  await w.store.commit();
  await damage(plan!, 0);
  const use = intoRoot(w);
  const second = [await outside(w, 'second', data), await outside(w, 'third', data)];
  const later: IntakeUse = { ...use, add: (file, packed) => use.add(1 + file, packed) };
  assert.deepEqual(await take(w, second, later), ['packed', 'packed']);
  assert.deepEqual(await contentAt(w, 1), data);
  assert.deepEqual(await contentAt(w, 2), data);
});

test('a full tier refuses all of it, and takes it once there is room', async (t) => {
  const w = await world(t);
  await w.limit(4 << 20);
  const data = randomBytesOf('large', 16 << 20);
  const file = await outside(w, 'large', data);
  await assert.rejects(take(w, [file]), { code: 'ENOSPC' });
  assert.equal(await contentAt(w, 0), undefined);
  await w.limit(1 << 30);
  assert.deepEqual(await take(w, [file]), ['packed']);
  assert.deepEqual(await contentAt(w, 0), data);
  await w.content.reclaimAll();
  await expectSound(w);
});

test('it ends where nobody waits for it, and where the volume is unmounted', async (t) => {
  const w = await world(t);
  const file = await outside(w, 'large', randomBytesOf('large', 64 << 20));
  const work = progress();
  const taking = take(w, [file], intoRoot(w), work);
  // A tier that is being emptied waits for it.
  assert.deepEqual(['hdd', 'ssd'].map(w.migration.intake.packsOn), [true, false]);
  setTimeout(() => cancel(work), 20);
  await assert.rejects(taking, { code: 'ECANCELED' });
  assert.equal(w.migration.intake.packsOn('hdd'), false);
  assert.equal(await contentAt(w, 0), undefined);
  await w.content.reclaimAll();
  await expectSound(w);

  const other = take(w, [file]);
  const ended = assert.rejects(other, { code: 'ECANCELED' });
  await w.migration.close();
  await ended;
  await assert.rejects(take(w, [file]), { code: 'ECANCELED' });
  assert.equal(await contentAt(w, 0), undefined);
});

test('a pause of moves does not hold it up', async (t) => {
  const w = await world(t);
  w.migration.pause();
  const data = randomBytesOf('paused', 3 << 20);
  assert.deepEqual(await take(w, [await outside(w, 'p', data)]), ['packed']);
  assert.deepEqual(await contentAt(w, 0), data);
});
