import assert from 'node:assert/strict';
import { renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { decodeLocation, encodeLocation } from '../../src/content/records.js';
import { checkVolume } from '../../src/integrity/fsck.js';
import { ROOT_INO } from '../../src/namespace/types.js';
import { createBench, randomBytes, removeBench } from '../content/fixture.js';
import {
  addDirectory,
  addPackedFile,
  addPlainFile,
  assertClean,
  fsck,
  openVolume,
  removeFile,
  type Volume,
} from './fixture.js';

const MIB = 1 << 20;
let volume: Volume;
beforeEach(async () => {
  volume = openVolume(await createBench());
});
afterEach(() => removeBench(volume.bench));

const kinds = (problems: { what: string }[]): string[] => [
  ...new Set(problems.map(({ what }) => what)),
];

test('a volume that is well has no problems, and everything in it is counted', async () => {
  addDirectory(volume, ROOT_INO, 'models');
  addPlainFile(volume, 'plain', randomBytes(1, MIB));
  await addPackedFile(volume, 'packed', randomBytes(2, 4 * MIB));
  const report = await checkVolume(volume.deps, { deep: true });
  assert.deepEqual(report.problems, []);
  const { inodes, entries, recipes, packs, backingFiles, chunks } = report.checked;
  assert.deepEqual(
    { inodes, entries, recipes, packs, backingFiles },
    { inodes: 4, entries: 3, recipes: 1, packs: 1, backingFiles: 1 },
  );
  assert.ok(chunks > 20);
});

test('a volume in use raises no false alarm', async () => {
  let stop = false;
  const use = async (): Promise<void> => {
    for (let i = 0; !stop; i++) {
      const inode = await addPackedFile(volume, `f${i}`, randomBytes(i % 3, 2 * MIB));
      if (i % 2 === 0) removeFile(volume, inode);
      await volume.bench.content.reclaim();
    }
  };
  const running = use();
  for (let round = 0; round < 5; round++) await assertClean(volume);
  stop = true;
  await running;
  await assertClean(volume);
});

test('an entry without its inode and an inode without its entry are found', async () => {
  const { namespace } = volume;
  const lost = addPlainFile(volume, 'lost', randomBytes(3, 100));
  namespace.remove(ROOT_INO, 'lost');
  namespace.insert(ROOT_INO, 'dangling', 999, 8);
  const problems = await fsck(volume);
  assert.ok(problems.some(({ subject }) => subject.startsWith(`inode ${lost.ino}`)));
  assert.deepEqual(kinds(problems).sort(), ['bad-entry', 'first-link', 'unreachable']);
});

test('a directory that is its own ancestor is found', async () => {
  const outer = addDirectory(volume, ROOT_INO, 'outer');
  const inner = addDirectory(volume, outer.ino, 'inner');
  const { namespace } = volume;
  namespace.remove(ROOT_INO, 'outer');
  namespace.insert(inner.ino, 'outer', outer.ino, 4);
  Object.assign(outer, { parent: inner.ino });
  inner.nlink++;
  const root = namespace.get(ROOT_INO)!;
  root.nlink--;
  for (const inode of [outer, inner, root]) namespace.update(inode);
  assert.deepEqual(kinds(await fsck(volume)), ['unreachable']);
});

test('a backing file that is gone, cut short or left over is found', async () => {
  const { tiers } = volume.bench;
  const gone = addPlainFile(volume, 'gone', randomBytes(4, 5000));
  const cut = addPlainFile(volume, 'cut', randomBytes(5, 5000));
  const path = (ino: number): string => tiers.backingPath(tiers.tiers[0], ino);
  rmSync(path(gone.ino));
  truncateSync(path(cut.ino), 4000);
  writeFileSync(path(4711), 'x');
  const problems = await fsck(volume);
  assert.deepEqual(kinds(problems), ['no-backing-file', 'size', 'left-over']);
});

test('a deleted file whose bytes were given back just before a crash is no lost file', async () => {
  const { namespace, bench } = volume;
  const inode = addPlainFile(volume, 'deleted', randomBytes(8, 5000));
  namespace.remove(ROOT_INO, 'deleted');
  Object.assign(inode, { nlink: 0, parent: 0, name: '' });
  namespace.update(inode);
  namespace.addOrphan(inode.ino);
  rmSync(bench.tiers.backingPath(bench.tiers.tiers[0], inode.ino));
  await assertClean(volume);
});

test('a file whose first hard link was removed is well', async () => {
  const { namespace } = volume;
  const inode = addPlainFile(volume, 'tmp_obj', randomBytes(9, 5000));
  namespace.insert(ROOT_INO, 'object', inode.ino, 8);
  namespace.remove(ROOT_INO, 'tmp_obj');
  Object.assign(inode, { parent: 0, name: '' });
  namespace.update(inode);
  await assertClean(volume);
});

test('a wrong reference count, an unknown chunk and wrong live bytes are found', async () => {
  const { store } = volume.bench;
  await addPackedFile(volume, 'packed', randomBytes(6, 2 * MIB));
  const chunks = store.table('chunks');
  const [first, second] = [...chunks.range(Buffer.of(0))];
  const location = decodeLocation(first.value);
  chunks.put(first.key, encodeLocation({ ...location, references: 5 }));
  chunks.remove(second.key);
  assert.deepEqual(kinds(await fsck(volume)), ['reference-count', 'lost-chunk', 'live-bytes']);
});

test('a pack that is gone or of unknown origin is found', async () => {
  const { tiers, content } = volume.bench;
  await addPackedFile(volume, 'packed', randomBytes(7, 2 * MIB));
  const [pack] = content.packs();
  const path = tiers.packPath(tiers.byId(pack.tier)!, pack.packId);
  renameSync(path, tiers.packPath(tiers.byId(pack.tier)!, 77));
  assert.deepEqual(kinds(await fsck(volume)), ['no-pack', 'unknown-pack']);
});
