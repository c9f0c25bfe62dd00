/** Needs root: a disk falls out while its packs are read, and is back later. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { must } from '../../scripts/lib/process.js';
import { shutDown } from '../loop-filesystem.js';
import { digestFile, MiB, noise, put } from './content.js';
import { scenario, type TestVolume } from './harness.js';

const MOUNT = ['promote=never', 'cold-after=1h', 'missing-tier=degraded'];

async function bringBack(volume: TestVolume): Promise<void> {
  await volume.unmount();
  const hdd = volume.tier('hdd');
  await must('umount', [hdd]);
  await must('mount', ['-o', 'loop', `${volume.root}/hdd.img`, hdd]);
  await volume.mount(MOUNT);
}

scenario(
  'a disk that falls out for a while leaves nothing that is called damaged',
  { media: 'loop', mount: MOUNT },
  async (volume) => {
    const sum = await put(volume.at('model.bin'), noise(96 * MiB));
    await volume.demote('model.bin');
    await volume.remount([...MOUNT, 'migrate-rate=32M']);
    const held = await open(volume.at('model.bin'), 'r');
    await held.read(Buffer.alloc(4096), 0, 4096, 0);
    const scrubbed = volume.run('scrub', volume.mountpoint);
    // It has read a part by then.
    await delay(1000);
    shutDown(volume.tier('hdd'));
    for (let at = 32 * MiB; at < 96 * MiB; at += 8 * MiB) {
      await assert.rejects(held.read(Buffer.alloc(4096), 0, 4096, at), { code: 'EIO' });
    }
    const { code, stdout } = await scrubbed;
    assert.equal(code, 1);
    assert.match(stdout, /^tier hdd: .*; bring its disk back\nscrub: 1 problem /);
    assert.doesNotMatch((await volume.status()).problems.join(), /damaged/);
    await held.close();
    await bringBack(volume);
    assert.deepEqual((await volume.status()).problems, []);
    await volume.must('fsck', volume.mountpoint);
    await volume.must('scrub', volume.mountpoint);
    assert.equal(await digestFile(volume.at('model.bin')), sum);
  },
);
