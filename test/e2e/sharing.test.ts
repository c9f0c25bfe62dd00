/** Two copies of a model on one XFS or btrfs disk: they take space once, and stay two files in every other way. */
import assert from 'node:assert/strict';
import { copyFile, open, rm, stat, statfs } from 'node:fs/promises';
import { must, waitFor } from '../../scripts/lib/process.js';
import { digest, digestFile, MiB, noise, put } from './content.js';
import { mapAndRead } from '../mapped-reader.js';
import { onMount, scenario, type TestVolume } from './harness.js';

const SETTLED = 'settle=200ms';
const SIZE = 48 * MiB + 777;
const A = 'models/base/a.safetensors';
const B = 'other-tool/b.safetensors';

/** Bytes in use on the disk of the fastest tier. */
async function diskUse(volume: TestVolume): Promise<number> {
  await must('sync', ['--file-system', volume.tier('nvme')]);
  const { blocks, bfree, bsize } = await statfs(volume.tier('nvme'));
  return (blocks - bfree) * bsize;
}

/** Waits until so many bytes of a file are on blocks that others have too. */
async function untilShared(volume: TestVolume, path: string, bytes: number): Promise<void> {
  await waitFor(`${path} shares ${String(bytes)} bytes`, async () => {
    await volume.must('migration', 'resume', volume.mountpoint);
    return (await volume.where(path)).sharedBytes >= bytes;
  });
}

/** The same bytes in two files. @returns their digest */
async function putTwice(volume: TestVolume, data: Buffer): Promise<string> {
  const sum = await put(volume.at(A), data);
  await put(volume.at(B), data);
  await must('sync', []);
  return sum;
}

/** Of so many bytes at least. */
async function isComparing(volume: TestVolume, bytes: number): Promise<boolean> {
  const { running } = (await volume.status()).migration;
  return running.some(({ kind, done }) => kind === 'share' && done >= bytes);
}

async function untilComparing(volume: TestVolume, bytes: number): Promise<void> {
  await waitFor('a job compares them', async () => {
    await volume.must('migration', 'resume', volume.mountpoint);
    return isComparing(volume, bytes);
  });
}

async function times(path: string): Promise<unknown> {
  const { mtimeNs, ctimeNs, size, blocks } = await stat(path, { bigint: true });
  return { mtimeNs, ctimeNs, size, blocks };
}

for (const media of ['xfs', 'btrfs'] as const) {
  scenario(
    `on ${media} a model that lies there twice takes space once, and each copy stays what it is`,
    { media, mount: [SETTLED] },
    async (volume) => {
      const data = noise(SIZE);
      const sum = await putTwice(volume, data);
      await waitFor('XFS takes back what it allocated beyond the end', async () => {
        return (await stat(volume.at(B))).blocks * 512 < SIZE + MiB;
      });
      const [use, before] = [await diskUse(volume), await times(volume.at(B))];
      const ends = await mapAndRead(volume.at(A));
      await untilShared(volume, B, SIZE);
      await ends();
      assert.ok((await diskUse(volume)) < use - SIZE + MiB, 'no space was freed');
      assert.deepEqual(await times(volume.at(B)), before);
      const { tiers, migration } = await volume.status();
      assert.ok(tiers.every((tier) => tier.sharesExtents));
      assert.equal(migration.bytesShared, SIZE);
      await waitFor('what is shared counts once', async () => {
        const [{ used, plainBytes }] = (await volume.status()).tiers;
        return used < plainBytes;
      });
      assert.match(await volume.must('explain', volume.at(B)), /48\.0 MiB of it lie on blocks/);
      assert.match(
        await volume.must('doctor', volume.mountpoint),
        new RegExp(`${media}, plain files share equal`),
      );

      const file = await open(volume.at(B), 'r+');
      await file.write('changed', 20 * MiB);
      await file.close();
      const changed = Buffer.from(data);
      changed.write('changed', 20 * MiB);
      assert.equal(await digestFile(volume.at(A)), sum);
      assert.equal(await digestFile(volume.at(B)), digest(changed));
      await untilShared(volume, B, SIZE - MiB);
      await rm(volume.at(A));
      assert.equal(await digestFile(volume.at(B)), digest(changed));
      await volume.demote(B);
      assert.equal(await digestFile(volume.at(B)), digest(changed));
      await volume.must('fsck', volume.mountpoint);
    },
  );
}

scenario(
  'who opens a file while it gets the blocks of another one has it when that ended',
  { media: 'xfs', mount: [SETTLED, 'migrate-rate=1M'] },
  async (volume) => {
    const data = noise(SIZE);
    const sum = await putTwice(volume, data);
    await untilComparing(volume, 0);
    const files = [await open(volume.at(A), 'r'), await open(volume.at(B), 'r')];
    assert.equal(await isComparing(volume, 0), false);
    for (const file of files) await file.close();
    assert.deepEqual([await digestFile(volume.at(A)), await digestFile(volume.at(B))], [sum, sum]);
  },
);

scenario(
  'a daemon that is killed while it compares two files loses nothing, and the next one goes on',
  { media: 'xfs', mount: [SETTLED, 'migrate-rate=24M'] },
  async (volume) => {
    const data = noise(SIZE);
    const sum = await putTwice(volume, data);
    await untilComparing(volume, 16 * MiB);
    await volume.killDaemon();
    await volume.removeDeadMount();
    await volume.mount([SETTLED]);
    await volume.must('fsck', volume.mountpoint);
    assert.deepEqual([await digestFile(volume.at(A)), await digestFile(volume.at(B))], [sum, sum]);
    await untilShared(volume, A, SIZE);
    await untilShared(volume, B, SIZE);
    assert.deepEqual([await digestFile(volume.at(A)), await digestFile(volume.at(B))], [sum, sum]);
  },
);

scenario(
  'with share=off nothing is shared until a remount says otherwise, and a read-only mount tries nothing',
  { media: 'xfs', mount: [SETTLED, 'share=off'] },
  async (volume) => {
    const data = noise(4 * MiB);
    const sum = await putTwice(volume, data);
    await volume.must('migration', 'resume', volume.mountpoint);
    await volume.waitUntil(B, { form: 'plain', sharedBytes: 0 });
    await volume.must('mount', volume.path, volume.mountpoint, '-o', 'remount,share=on');
    await untilShared(volume, B, 4 * MiB);
    assert.match(await volume.must('policy', 'show', volume.mountpoint), /^share +on$/m);
    await volume.remount(['ro']);
    const { tiers } = await volume.status();
    assert.ok(
      tiers.every((tier) => !tier.sharesExtents),
      'it was tried on a read-only mount',
    );
    assert.equal((await volume.where(B)).sharedBytes, 4 * MiB);
    assert.equal(await digestFile(volume.at(B)), sum);
  },
);

scenario(
  'cp within the mount shares the blocks of a plain file on XFS, and copies them on ext4',
  { media: 'loop', mount: [SETTLED] },
  async (volume) => {
    const data = noise(8 * MiB);
    for (const [tier, shared] of [
      ['ssd', data.length],
      ['nvme', 0],
    ] as const) {
      await onMount(volume, 'mkdir', [tier]);
      await volume.must('pin', volume.at(tier), '--to', tier);
      const sum = await put(volume.at(tier, 'a'), data);
      await onMount(volume, 'cp', ['--reflink=auto', `${tier}/a`, `${tier}/b`]);
      await copyFile(volume.at(tier, 'a'), volume.at(tier, 'c'));
      await must('sync', []);
      for (const name of ['a', 'b']) {
        const where = await volume.waitUntil(`${tier}/${name}`, { tier, sharedBytes: shared });
        assert.equal(where.storedBytes >= data.length, true);
        assert.equal(await digestFile(volume.at(tier, name)), sum);
      }
    }
  },
);
