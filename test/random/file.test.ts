/**
 * Two files used at random in every way there is, while they are packed, promoted, remounted and the
 * daemon is killed, always compared with what they must hold.
 *
 * SEED=n replays a run, SEED=random draws another one, OPERATIONS=n makes it as long as one likes.
 */
import assert from 'node:assert/strict';
import { seed } from '../seed.js';
import { scenario, type VolumeOptions } from '../e2e/harness.js';
import { fileEvent, packAll } from './file-events.js';
import { fileStep } from './file-steps.js';
import { FileWorld } from './file-world.js';
import { createChance, operations, timeoutMs } from './randomness.js';
import { startSyscalls } from './syscalls.js';

const EVENT_EVERY = 90;
/** Operations after which every file is packed once, whatever chance says. */
const PACKED_AT = 100;

for (const media of ['directories', 'loop'] as const) {
  const options: VolumeOptions = { media, mount: ['settle=200ms'], timeoutMs };
  const name = `no byte of a file is lost, stale or torn under random use, on ${media}`;
  scenario(`${name} (SEED=${String(seed)})`, options, async (volume, context) => {
    const chance = createChance(seed);
    const world = new FileWorld(volume, startSyscalls(context), chance, ['a.bin', 'b.bin']);
    try {
      await world.create();
      const count = operations(450);
      for (let n = 0; n < count; n++) {
        if (n === PACKED_AT) await packAll(world);
        await (chance.oneIn(EVENT_EVERY) ? fileEvent(world) : fileStep(world));
      }
      for (const subject of world.subjects) await world.closeAll(subject);
      await world.checkAll('at the end');
    } catch (error) {
      throw world.journal.explain(error, `${volume.path}/log/daemon.log`);
    }
    await volume.must('fsck', volume.mountpoint);
    await volume.unmount();
    assert.ok(world.seen.has('packed'), 'a file was packed at times');
  });
}
