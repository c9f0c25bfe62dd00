/** A tier that the volume has no more: each file keeps what is left of it, and what is lost is named, no more and no less. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { lostWithTier } from '../../src/integrity/lost-files.js';
import type { CutMove } from '../../src/integrity/plain-copies.js';
import { giveUpRemovedTiers } from '../../src/integrity/removed-tiers.js';
import { ROOT_INO, type Inode } from '../../src/namespace/types.js';
import { native, Stat } from '../../src/native.js';
import { accountedTiers, keepAccount } from '../../src/tiers/account.js';
import { releasedPath } from '../../src/tiers/tier-set.js';
import {
  assertReads,
  closeBench,
  createBench,
  FAST,
  openBench,
  randomBytes,
  removeBench,
  SLOW,
  withoutTier,
} from '../content/fixture.js';
import { seed } from '../seed.js';
import {
  addDirectory,
  addPackedFile,
  addPlainFile,
  fsck,
  openVolume,
  type Volume,
} from './fixture.js';
import { pick } from './seeded.js';

const MIB = 1 << 20;
const content = (seed: number) => randomBytes(seed, 2 * MIB);

let volume: Volume;
beforeEach(async () => void (volume = openVolume(await createBench())));
afterEach(() => removeBench(volume.bench));

const byName = (name: string): Inode =>
  volume.namespace.get(volume.namespace.lookup(ROOT_INO, name)!.ino)!;

function change(inode: Inode, fields: Partial<Inode>): void {
  Object.assign(inode, fields);
  volume.namespace.update(inode);
}

/** Makes a packed file plain as well, on the first tier or another one. */
function addPlainCopy(inode: Inode, bytes: Buffer, tierId = FAST): void {
  const { tiers } = volume.bench;
  const tier = tiers.byId(tierId)!;
  writeFileSync(tiers.backingPath(tier, inode.ino), bytes);
  const plainBlocks = Math.ceil(bytes.length / 512);
  tiers.accountPlain(tier, plainBlocks * 512);
  change(inode, { plainTier: tierId, plainBlocks });
}

async function loseFast(): Promise<void> {
  await volume.bench.store.commit();
  await closeBench(volume.bench);
  withoutTier(volume.bench.directory, FAST);
  volume = openVolume(await openBench(volume.bench.directory));
}

const log = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as never;

/** What a mount does. @returns what was said before to be lost: bytes by path */
async function giveUp(moves: readonly CutMove[] = []): Promise<Map<string, number>> {
  const { files } = await lostWithTier(volume.deps, FAST, moves);
  await giveUpRemovedTiers({ ...volume.deps, log }, false, moves);
  return new Map(files.flatMap(({ paths, lost }) => paths.map((path) => [path, lost])));
}

const named = async (): Promise<string[]> =>
  (await fsck(volume)).map(({ subject }) => /\((.*)\)/.exec(subject)?.[1] ?? subject).sort();

test('files that have another form elsewhere are read from that, and only what is lost is named', async () => {
  addPlainFile(volume, 'plain', content(1));
  addPlainCopy(await addPackedFile(volume, 'hot', content(2)), content(2));
  await addPackedFile(volume, 'packed', content(3));
  await addPackedFile(volume, 'packed there', content(4), { tier: FAST });
  await addPackedFile(volume, 'in part', Buffer.concat([content(3), content(4)]));
  addPlainCopy(
    await addPackedFile(volume, 'plain elsewhere', content(5), { tier: FAST }),
    content(5),
    SLOW,
  );
  addPlainFile(volume, 'empty', Buffer.alloc(0));
  const folder = addDirectory(volume, ROOT_INO, 'folder');
  change(folder, { pin: FAST });
  volume.namespace.insert(folder.ino, 'link', byName('plain').ino, 8);
  change(byName('plain'), { nlink: 2 });
  await loseFast();
  const lost = await giveUp();
  assert.deepEqual([...lost.keys()].sort(), [
    '/folder/link',
    '/in part',
    '/packed there',
    '/plain',
  ]);
  assert.deepEqual([lost.get('/plain'), lost.get('/packed there')], [2 * MIB, 2 * MIB]);
  const part = lost.get('/in part')!;
  assert.ok(part > MIB && part < 2 * MIB, `${part} bytes`);
  assert.deepEqual(await named(), ['/in part', '/packed there', '/plain']);
  const { bench } = volume;
  await assertReads(bench, byName('hot').ino, content(2));
  await assertReads(bench, byName('packed').ino, content(3));
  const elsewhere = byName('plain elsewhere');
  assert.deepEqual([elsewhere.plainTier, elsewhere.packedTier], [SLOW, 0]);
  assert.ok(
    readFileSync(bench.tiers.backingPath(bench.tiers.byId(SLOW)!, elsewhere.ino)).equals(
      content(5),
    ),
  );
  assert.deepEqual([byName('hot').plainTier, byName('empty').plainTier], [0, 0]);
  assert.deepEqual([byName('folder').pin, byName('packed there').packedTier], [0, SLOW]);
  assert.deepEqual([byName('plain').size, byName('plain').plainBlocks], [2 * MIB, 0]);
  assert.deepEqual(volume.namespace.lost(), [byName('plain').ino]);
});

test('nothing of a removed tier is accounted, and the next start has nothing to do', async () => {
  addPlainFile(volume, 'plain', content(1));
  await addPackedFile(volume, 'packed', content(2), { tier: FAST });
  await loseFast();
  await giveUp();
  assert.deepEqual([...accountedTiers(volume.bench.store).keys()], []);
  assert.deepEqual(volume.bench.content.packs(), []);
  const { groups } = volume.bench.store;
  await giveUpRemovedTiers({ ...volume.deps, log }, false, []);
  await volume.bench.store.commit();
  assert.equal(volume.bench.store.groups, groups);
});

test('what was being written is lost though its record says that it is empty, and what is empty is not', async () => {
  addPlainFile(volume, 'empty', Buffer.alloc(0));
  change(addPlainFile(volume, 'being written', Buffer.alloc(0)), { unsettled: true });
  // Nothing is accounted to the tier: who gives it up says that it is to go.
  keepAccount(volume.bench.store, FAST);
  await loseFast();
  const lost = await giveUp();
  assert.deepEqual([...lost], [['/being written', 0]]);
  assert.deepEqual(await named(), ['/being written']);
  assert.deepEqual(volume.namespace.unsettled(), []);
  // Done again, after a crash or for another tier.
  change(byName('being written'), { pin: FAST });
  keepAccount(volume.bench.store, FAST);
  await giveUp();
  assert.deepEqual([await named(), byName('being written').pin], [['/being written'], 0]);
});

test('a packed form that is not what the file is does not take its place', async () => {
  const inode = await addPackedFile(volume, 'file', content(1));
  addPlainCopy(inode, content(1).subarray(0, MIB));
  change(inode, { size: MIB });
  await loseFast();
  assert.deepEqual([...(await giveUp())], [['/file', MIB]]);
  assert.deepEqual(await named(), ['/file']);
  assert.equal(volume.bench.content.hasRecipe(byName('file').ino), false);
});

test('a deleted file whose disk is gone waits for nothing any more', async () => {
  const inode = addPlainFile(volume, 'deleted', content(1));
  volume.namespace.remove(ROOT_INO, 'deleted');
  change(inode, { nlink: 0, parent: 0, name: '' });
  volume.namespace.addOrphan(inode.ino);
  await loseFast();
  assert.deepEqual([...(await giveUp())], []);
  assert.equal(volume.namespace.get(inode.ino)?.plainTier, 0);
});

/** A settled plain file on the first tier, and what a move that was cut off has left of it at `path`. */
function leave(
  name: string,
  seed: number,
  place: (inode: Inode) => string,
  length = 2 * MIB,
): CutMove {
  const inode = addPlainFile(volume, name, content(seed));
  const path = place(inode);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content(seed).subarray(0, length));
  const stat = new Float64Array(Stat.length);
  native.statPath(path, stat);
  change(inode, { mtimeSec: stat[Stat.mtimeSec], mtimeNsec: stat[Stat.mtimeNsec] });
  return { ino: inode.ino, source: FAST, target: SLOW };
}

test('a whole copy that a move left on another tier is the file, and a half one is left alone', async () => {
  const slow = volume.bench.tiers.byId(SLOW)!;
  const backing = ({ ino }: Inode): string => volume.bench.tiers.backingPath(slow, ino);
  const released = ({ ino }: Inode): string => releasedPath(volume.bench.tiers, slow, ino);
  const built = ({ ino }: Inode): string => volume.bench.tiers.incomingPath(slow, ino);
  const moves = [
    leave('moved', 1, backing),
    leave('moving away', 2, released),
    leave('about to be moved', 5, built),
    leave('half', 3, backing, MIB),
    leave('half built', 6, built, MIB),
    leave('being written', 4, backing),
  ];
  change(byName('being written'), { unsettled: true });
  const half = backing(byName('half'));
  await loseFast();
  const lost = await giveUp(moves);
  assert.deepEqual([...lost.keys()].sort(), ['/being written', '/half', '/half built']);
  for (const [name, seed] of [
    ['moved', 1],
    ['moving away', 2],
    ['about to be moved', 5],
  ] as const) {
    const inode = byName(name);
    assert.deepEqual([inode.plainTier, inode.unsettled], [SLOW, true], name);
    assert.ok(readFileSync(backing(inode)).equals(content(seed)), name);
  }
  assert.ok(existsSync(half));
  const still = ['half', 'half built', 'being written'].map((name) => byName(name).ino);
  assert.deepEqual(volume.namespace.lost(), still);
  keepAccount(volume.bench.store, FAST);
  await giveUpRemovedTiers({ ...volume.deps, log }, false, moves);
  assert.deepEqual(volume.namespace.lost(), still, 'also when it is done again');
});

test('a namespace from before a tier was taken out reads files from their packed form', async () => {
  addPlainCopy(await addPackedFile(volume, 'hot', content(1)), content(1));
  change(byName('hot'), { pin: FAST });
  await loseFast();
  await giveUpRemovedTiers({ ...volume.deps, log }, true, []);
  assert.deepEqual([byName('hot').plainTier, byName('hot').pin], [0, 0]);
  await assertReads(volume.bench, byName('hot').ino, content(1));
  assert.deepEqual(await named(), []);
});

/** Files of blocks that others have too, each in some form on some tier. */
async function addRandomFiles(round: number): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (let i = 0; i < 24; i++) {
    const chance = (choice: number, below: number): number =>
      pick(seed + round, 100 * i + choice, below);
    const blocks = Array.from({ length: 1 + chance(0, 6) }, (_, at) =>
      randomBytes(1000 + chance(1 + at, 16), 100_000),
    );
    const [name, bytes] = [`file ${i}`, Buffer.concat(blocks)];
    const form = chance(10, 4);
    if (form === 0) addPlainFile(volume, name, bytes);
    else {
      const inode = await addPackedFile(volume, name, bytes, { tier: chance(11, 2) ? FAST : SLOW });
      if (form === 1) addPlainCopy(inode, bytes, chance(12, 2) ? FAST : SLOW);
    }
    files.set(`/${name}`, bytes);
  }
  return files;
}

/** @returns bytes that can't be read; all others are as they were */
async function unreadable(inode: Inode, bytes: Buffer): Promise<number> {
  const { bench } = volume;
  const tier = bench.tiers.byId(inode.plainTier);
  if (tier) {
    assert.ok(readFileSync(bench.tiers.backingPath(tier, inode.ino)).equals(bytes));
    return 0;
  }
  if (inode.plainTier !== 0) return bytes.length;
  const plan = await bench.content.planFor(inode.ino);
  const handle = bench.content.openPlan(plan);
  let lost = 0;
  for (let i = 0, at = 0; i < plan.lengths.length; at += plan.lengths[i++]) {
    const read = await native
      .readPlan(handle, at, plan.lengths[i])
      .catch(({ code }: { code: string }) => {
        assert.equal(code, 'EIO');
        return null;
      });
    if (read === null) lost += plan.lengths[i];
    else assert.ok(read.equals(bytes.subarray(at, at + plan.lengths[i])), `chunk ${i}`);
  }
  handle.close();
  return lost;
}

for (let round = 0; round < 3; round++) {
  test(`what can't be read afterwards is what was listed, byte by byte (seed ${seed + round})`, async () => {
    const files = await addRandomFiles(round);
    await loseFast();
    const listed = await giveUp();
    assert.ok(listed.size > 0 && listed.size < files.size);
    for (const [path, bytes] of files) {
      const lost = await unreadable(byName(path.slice(1)), bytes);
      assert.equal(listed.get(path) ?? 0, lost, path);
    }
    assert.deepEqual(await named(), [...listed.keys()].sort());
    // Whoever packs them again has all that there was.
    for (const [i, bytes] of [...files.values()].entries()) {
      await addPackedFile(volume, `again ${i}`, bytes);
    }
    for (const [path, bytes] of files) {
      const inode = byName(path.slice(1));
      if (inode.plainTier === 0) await assertReads(volume.bench, inode.ino, bytes);
    }
    const plain = [...files.keys()].filter((path) => byName(path.slice(1)).plainTier === FAST);
    assert.deepEqual(await named(), plain.sort());
  });
}
