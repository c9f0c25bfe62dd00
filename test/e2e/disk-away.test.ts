/** Deleting while a disk is not there: what lay on it is given back when it is, and not said to be before. */
import assert from 'node:assert/strict';
import { must } from '../../scripts/lib/process.js';
import { MiB, noise, put } from './content.js';
import { scenario } from './harness.js';

scenario(
  'files that are deleted while their disk is away leave nothing on it once it is back',
  { media: 'loop', mount: ['promote=never', 'cold-after=1h'] },
  async (volume) => {
    const disk = volume.tier('hdd');
    const gc = async () => (await volume.must('gc', volume.mountpoint)).split('\n')[0];
    const onDisk = async () => (await volume.status()).tiers.find(({ name }) => name === 'hdd')!;
    await put(volume.at('packed.bin'), noise(50 * MiB));
    await volume.demote('packed.bin');
    await put(volume.at('plain.db'), noise(20 * MiB, 2));
    await volume.demote('plain.db');
    // A pack that is sealed, as each unmount leaves it.
    await volume.remount(['promote=never', 'cold-after=1h']);
    const { plainBytes, packedBytes } = await onDisk();
    assert.ok(plainBytes >= 20 * MiB && packedBytes >= 50 * MiB);

    await must('umount', ['-l', disk]);
    for (const name of ['packed.bin', 'plain.db']) await must('rm', [volume.at(name)]);
    assert.match(await gc(), /^0 B freed: \d+ chunks, 0 packs removed/);
    assert.ok((await onDisk()).plainBytes >= 20 * MiB);

    await must('mount', ['-o', 'loop', `${volume.root}/hdd.img`, disk]);
    assert.equal((await volume.packs('hdd')).length, 1);
    assert.match(await gc(), /^50\.\d MiB freed: .* 1 packs removed/);
    assert.deepEqual(await volume.packs('hdd'), []);
    const after = await onDisk();
    assert.deepEqual([after.plainBytes, after.packedBytes], [0, 0]);
    await volume.must('fsck', volume.mountpoint);
    assert.equal((await volume.status()).health, 'ok');
  },
);
