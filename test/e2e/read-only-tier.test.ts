/** A tier that can't be written to any more: what lies on it is read, and everything else goes on elsewhere. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { chmod, open, readFile, truncate, writeFile } from 'node:fs/promises';
import { must, waitFor } from '../../scripts/lib/process.js';
import { digestFile, MiB, noise, put } from './content.js';
import { scenario, type TestVolume, type TierName } from './harness.js';

const OPTIONS = ['promote=never', 'settle=1s', 'cold-after=1h'];

async function stateOf(volume: TestVolume, name: TierName): Promise<string | undefined> {
  return (await volume.status()).tiers.find((tier) => tier.name === name)?.state;
}

const becomes = (volume: TestVolume, name: TierName, state: string) =>
  waitFor(`tier ${name} is ${state}`, async () => (await stateOf(volume, name)) === state);

/** As a disk that gives errors: ext4 makes itself read-only (errors=remount-ro), and its mount does not say so. */
async function failDisk(volume: TestVolume, name: TierName): Promise<void> {
  const source = await must('findmnt', ['-no', 'SOURCE', volume.tier(name)]);
  await writeFile(`/sys/fs/ext4/${basename(source.trim())}/trigger_fs_error`, '1');
  await assert.rejects(writeFile(`${volume.tier(name)}/x`, 'x'), { code: 'EROFS' });
}

async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(text, 0);
  } finally {
    await file.close();
  }
}

scenario(
  'a disk that makes itself read-only: its files are read, and what is written goes to the other tiers',
  { media: 'loop', mount: null },
  async (volume) => {
    await must('mount', ['-o', 'remount,errors=remount-ro', volume.tier('nvme')]);
    await volume.mount(OPTIONS);
    const plain = await put(volume.at('plain.bin'), noise(MiB));
    await put(volume.at('packed.bin'), noise(MiB, 2));
    await put(volume.at('changed.bin'), noise(MiB, 3));
    await volume.demote('packed.bin');
    await volume.remount(OPTIONS);
    await chmod(volume.at('changed.bin'), 0o640);
    await failDisk(volume, 'nvme');

    // Before anybody asks: it may be noticed by itself a little later.
    await write(volume.at('packed.bin'), 'written');
    assert.notEqual((await volume.where('packed.bin')).tier, 'nvme');
    assert.equal(await digestFile(volume.at('plain.bin')), plain);
    await readFile(volume.at('changed.bin'));
    await becomes(volume, 'nvme', 'read-only');
    assert.match((await volume.status()).problems.join(), /nvme.* is read-only/);
    await assert.rejects(write(volume.at('plain.bin'), 'x'), { code: 'EROFS' });
    await assert.rejects(truncate(volume.at('plain.bin'), 0), { code: 'EROFS' });
    await writeFile(volume.at('new.txt'), 'new');
    assert.notEqual((await volume.where('new.txt')).tier, 'nvme');

    const moved = await volume.run('demote', volume.at('changed.bin'), '--to', 'ssd', '--wait');
    assert.match(moved.stderr, /its old copy on tier nvme can't be removed: it is read-only/);
    await volume.unmount();

    const refused = await volume.run('mount', volume.path, volume.mountpoint);
    assert.match(refused.stderr, /tier nvme: .* is read-only; mount its disk for writing/);
    for (const option of ['missing-tier=degraded', 'ro']) {
      await volume.mount([option]);
      assert.equal(await digestFile(volume.at('plain.bin')), plain);
      assert.equal(await readFile(volume.at('new.txt'), 'utf8'), 'new');
      assert.match(await readFile(volume.at('packed.bin'), 'latin1'), /^written/);
      await volume.unmount();
    }
  },
);

scenario(
  'a tier that was read-only is written to again, files that were read meanwhile too',
  { mount: OPTIONS },
  async (volume) => {
    await put(volume.at('plain.bin'), noise(MiB));
    await volume.unmount();
    const nvme = volume.tier('nvme');
    await must('mount', ['--bind', nvme, nvme]);
    await must('mount', ['-o', 'remount,bind,ro', nvme]);
    await volume.mount([...OPTIONS, 'missing-tier=degraded']);
    const reader = await open(volume.at('plain.bin'));
    await assert.rejects(write(volume.at('plain.bin'), 'x'), { code: 'EROFS' });
    await must('mount', ['-o', 'remount,bind,rw', nvme]);
    const before = Date.now();
    await becomes(volume, 'nvme', 'ok');
    assert(Date.now() - before < 20_000, 'nobody looked at the tier');
    // The kernel takes no second backing file for an inode that is open.
    await assert.rejects(write(volume.at('plain.bin'), 'x'), { code: 'EROFS' });
    await reader.close();
    await write(volume.at('plain.bin'), 'written');
    await truncate(volume.at('plain.bin'), 7);
    assert.equal(await readFile(volume.at('plain.bin'), 'utf8'), 'written');
  },
);
