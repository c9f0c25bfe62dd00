/**
 * A tree used at random, while its files are packed and promoted, it is remounted, and the daemon is killed,
 * always compared with what it must be: after a crash with what it was at or after the last fsync.
 *
 * SEED=n replays a run, SEED=random draws another one, OPERATIONS=n makes it as long as one likes.
 */
import { seed } from '../seed.js';
import { scenario } from '../e2e/harness.js';
import { createChance, operations, timeoutMs } from './randomness.js';
import { startSyscalls } from './syscalls.js';
import { treeEvent } from './tree-events.js';
import { treeStep } from './tree-steps.js';
import { TreeWorld } from './tree-world.js';

const EVENT_EVERY = 5;

scenario(
  `no name, attribute or link is lost or torn under random use (SEED=${String(seed)})`,
  { mount: ['settle=200ms'], timeoutMs },
  async (volume, context) => {
    const chance = createChance(seed);
    const world = new TreeWorld(volume, startSyscalls(context), chance);
    try {
      for (let n = operations(900); n > 0; n--) {
        const attempt = chance.oneIn(EVENT_EVERY) ? null : treeStep(world);
        await (attempt === null ? treeEvent(world) : world.attempt(attempt));
      }
      await world.check('at the end');
    } catch (error) {
      throw world.journal.explain(error, `${volume.path}/log/daemon.log`);
    }
    await volume.unmount();
    await volume.mount();
    await world.check('after the last mount');
    await volume.must('fsck', volume.mountpoint);
  },
);
