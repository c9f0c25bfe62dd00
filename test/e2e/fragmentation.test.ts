/** A file with scattered changes goes to a hard disk: it can still be read in order, and nothing is lost for it. */
import assert from 'node:assert/strict';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jumpCost, SPARE_JUMPS, type Span } from '../../src/content/jumps.js';
import { SEEK_BYTES } from '../../src/content/limits.js';
import { createRecipes } from '../../src/content/recipes.js';
import { decodeLocation, nameAt } from '../../src/content/records.js';
import { openStore } from '../../src/store/store.js';
import { sleep } from '../../scripts/lib/process.js';
import { digestFile, MiB, noise, put } from './content.js';
import { scenario, type TestVolume } from './harness.js';

const QUIET = ['promote=never', 'cold-after=1h', 'compress=off'];
const SIZE = 48 * MiB;

const first = noise(SIZE);
const second = Buffer.from(first);
for (let at = 0; at < SIZE; at += 256 * 1024) second.write('changed', at);

async function inodeOf(path: string): Promise<number> {
  const handle = await open(path);
  const { ino } = await handle.stat();
  await handle.close();
  return ino;
}

/** What reading a packed file in order loses to jumps, in bytes that could be read. The volume is not mounted. */
async function jumpsOf(volume: TestVolume, ino: number): Promise<number> {
  const store = await openStore(join(volume.path, 'namespace'));
  const recipes = createRecipes(store);
  const head = recipes.head(ino)!;
  let last: Span | undefined;
  let cost = 0;
  for (let segment = 0; segment * 1024 < head.chunks; segment++) {
    const chunks = recipes.segment(head.recipeId, segment);
    for (let i = 0; i < chunks.lengths.length; i++) {
      if (chunks.zero[i]) continue;
      const value = store.table('chunks').get(nameAt(chunks, i))!;
      const { packId: pack, offset: start, stored } = decodeLocation(value);
      const span = { pack, start, end: start + stored };
      if (last) cost += jumpCost(last, span, SEEK_BYTES.hdd);
      last = span;
    }
  }
  await store.close();
  return cost;
}

/** Damages the first copy of a chunk that was stored again. The volume is not mounted. */
async function damageOneOfTwo(volume: TestVolume): Promise<void> {
  const store = await openStore(join(volume.path, 'namespace'));
  const chunks = store.table('chunks');
  const again = [...chunks.range(Buffer.of(0))].find(({ key }) => key.length === 33)!;
  const { packId, offset } = decodeLocation(chunks.get(again.key.subarray(0, 32))!);
  await store.close();
  const name = `${packId.toString(16).padStart(8, '0')}.pack`;
  const path = (await volume.packs('hdd')).find((one) => one.endsWith(name))!;
  // Or it would be mended from that.
  await rm(path.replace('.pack', '.parity'));
  const pack = await open(path, 'r+');
  await pack.write('damage', offset + 100);
  await pack.close();
}

async function assertSound(volume: TestVolume): Promise<void> {
  for (const verb of ['fsck', 'scrub']) {
    const { code, stdout, stderr } = await volume.run(verb, volume.mountpoint);
    assert.equal(code, 0, `${verb}: ${stdout}${stderr}`);
  }
}

const packedBytes = async (volume: TestVolume): Promise<number> =>
  (await volume.status()).tiers.reduce((sum, tier) => sum + tier.packedBytes, 0);

scenario(
  'a changed version on a hard disk is read with few jumps, says its cost, and gives it back',
  { mount: QUIET },
  async (volume) => {
    const sum = await put(volume.at('first'), first);
    await volume.demote('first');
    const changed = await put(volume.at('second'), second);
    await volume.demote('second');
    const { storedAgainBytes, dedupBytes } = (await volume.status()).savings;
    assert.ok(storedAgainBytes > 0 && dedupBytes < SIZE - storedAgainBytes);
    assert.match(await volume.must('status', volume.mountpoint), /stored again/);
    const [one, two] = await Promise.all(['first', 'second'].map((n) => inodeOf(volume.at(n))));
    await volume.unmount();
    assert.equal(await jumpsOf(volume, one), 0);
    assert.ok((await jumpsOf(volume, two)) <= SPARE_JUMPS * SEEK_BYTES.hdd + 3 * SIZE);
    await volume.mount(QUIET);
    assert.equal(await digestFile(volume.at('first')), sum);
    assert.equal(await digestFile(volume.at('second')), changed);
    await assertSound(volume);
    const { unlink } = await import('node:fs/promises');
    await unlink(volume.at('first'));
    await volume.must('gc', volume.mountpoint);
    assert.equal(await digestFile(volume.at('second')), changed);
    await unlink(volume.at('second'));
    await volume.must('gc', volume.mountpoint);
    assert.equal(await packedBytes(volume), 0);
    assert.equal((await volume.status()).savings.storedAgainBytes, 0);
    await assertSound(volume);
  },
);

scenario(
  'scrub mends a chunk from its other copy though moves are paused; read-only it writes nothing',
  { mount: QUIET },
  async (volume) => {
    for (const [name, data] of Object.entries({ first, second })) {
      await put(volume.at(name), data);
      await volume.demote(name);
    }
    await volume.unmount();
    await damageOneOfTwo(volume);
    await volume.mount([...QUIET, 'ro']);
    const before = await packedBytes(volume);
    assert.match((await volume.run('scrub', volume.mountpoint)).stdout, /first/);
    assert.equal(await packedBytes(volume), before);
    await volume.remount(QUIET);
    await volume.must('migration', 'pause', volume.mountpoint);
    await volume.must('scrub', volume.mountpoint);
    await assertSound(volume);
    assert.ok((await packedBytes(volume)) > before);
    assert.equal((await volume.status()).migration.state, 'paused');
  },
);

scenario(
  'fragmentation=off stores nothing twice, and what a remount says holds from then on',
  { mount: [...QUIET, 'fragmentation=off'] },
  async (volume) => {
    await put(volume.at('first'), first);
    await volume.demote('first');
    await put(volume.at('second'), second);
    await volume.demote('second');
    assert.equal((await volume.status()).savings.storedAgainBytes, 0);
    await volume.remount([...QUIET, 'fragmentation=20']);
    const third = Buffer.from(first);
    for (let at = 5000; at < SIZE; at += 256 * 1024) third.write('third', at);
    const sum = await put(volume.at('third'), third);
    await volume.demote('third');
    assert.ok((await volume.status()).savings.storedAgainBytes > 0);
    assert.equal(await digestFile(volume.at('third')), sum);
    await assertSound(volume);
  },
);

scenario(
  'a daemon that is killed while it stores chunks again leaves a sound volume with both files',
  { mount: QUIET, timeoutMs: 300_000 },
  async (volume) => {
    const sum = await put(volume.at('first'), first);
    await volume.demote('first');
    const changed = await put(volume.at('second'), second);
    for (const milliseconds of [150, 400, 800]) {
      const demoting = volume.run('demote', volume.at('second'), '--to', 'hdd', '--wait');
      await sleep(milliseconds);
      await volume.killDaemon();
      await demoting;
      await volume.removeDeadMount();
      await volume.mount(QUIET);
      assert.equal(await digestFile(volume.at('first')), sum);
      assert.equal(await digestFile(volume.at('second')), changed);
      await assertSound(volume);
    }
    await volume.demote('second');
    await volume.must('gc', volume.mountpoint);
    await volume.remount(QUIET);
    assert.equal(await digestFile(volume.at('first')), sum);
    assert.equal(await digestFile(volume.at('second')), changed);
    await assertSound(volume);
  },
);
