/**
 * Files of one size on XFS, with parts in common that come and go, written, read, packed and killed at random while
 * they share blocks; always compared with what they must hold. SEED=n replays, OPERATIONS=n makes it longer.
 */
import assert from 'node:assert/strict';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { scenario, type TestVolume } from '../e2e/harness.js';
import { MiB, noise, put } from '../e2e/content.js';
import { seed } from '../seed.js';
import {
  createChance,
  operations,
  pickWeighted,
  timeoutMs,
  type Chance,
  type Weighted,
} from './randomness.js';

const SIZE = 18 * MiB + 1234;
const NAMES = ['a.bin', 'b.bin', 'c.bin', 'd.bin'];
const OPTIONS = ['settle=100ms', 'cold-after=1h'];

interface World {
  volume: TestVolume;
  chance: Chance;
  /** What each file must hold. */
  models: Map<string, Buffer>;
  shared: number;
}

type Step = (world: World) => Promise<void>;

async function write(world: World, name: string, at: number, data: Buffer): Promise<void> {
  data.copy(world.models.get(name)!, at);
  const file = await open(world.volume.at(name), 'r+');
  await file.write(data, 0, data.length, at);
  await file.sync();
  await file.close();
}

const writeNew: Step = (world) => {
  const length = 1 + world.chance.below(300_000);
  const data = noise(length, world.chance.below(2 ** 31));
  return write(world, world.chance.pick(NAMES), world.chance.below(SIZE - length), data);
};

/** Makes a part of one file equal to the same part of another one. */
const writeEqual: Step = (world) => {
  const at = world.chance.below(SIZE);
  const end = Math.min(SIZE, at + 1 + world.chance.below(6 * MiB));
  const source = world.models.get(world.chance.pick(NAMES))!;
  return write(world, world.chance.pick(NAMES), at, Buffer.from(source.subarray(at, end)));
};

const check: Step = async ({ volume, chance, models }) => {
  const name = chance.pick(NAMES);
  assert.ok(
    (await readFile(volume.at(name))).equals(models.get(name)!),
    `${name} is not as written`,
  );
};

const share: Step = async (world) => {
  await delay(150);
  await world.volume.must('migration', 'resume', world.volume.mountpoint);
  await delay(world.chance.below(800));
  world.shared = Math.max(world.shared, (await world.volume.status()).migration.bytesShared);
};

const pack: Step = ({ volume, chance }) => volume.demote(chance.pick(NAMES));

const promote: Step = ({ volume, chance }) => volume.promote(chance.pick(NAMES));

const kill: Step = async ({ volume }) => {
  await volume.killDaemon();
  await volume.removeDeadMount();
  await volume.mount(OPTIONS);
};

const STEPS: Weighted<Step> = [
  [5, writeNew],
  [5, writeEqual],
  [5, check],
  [8, share],
  [1, pack],
  [2, promote],
  [1, kill],
];
scenario(
  `files that share blocks keep their bytes under random use (SEED=${String(seed)})`,
  { media: 'xfs', mount: OPTIONS, timeoutMs },
  async (volume) => {
    const world: World = { volume, chance: createChance(seed), models: new Map(), shared: 0 };
    for (const name of NAMES) {
      world.models.set(name, noise(SIZE));
      await put(volume.at(name), noise(SIZE));
    }
    for (let n = operations(60); n > 0; n--) await pickWeighted(world.chance, STEPS)(world);
    for (const [name, model] of world.models) {
      assert.ok((await readFile(volume.at(name))).equals(model), `${name} is not as written`);
    }
    assert.ok(world.shared > 0, 'nothing was shared: this shows nothing');
    await volume.must('fsck', volume.mountpoint);
  },
);
