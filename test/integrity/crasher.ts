/**
 * A process that packs, deletes and reclaims by a seed until it is killed. Started by crash.test.ts:
 * crasher.js DIRECTORY SEED. Says each file on standard output once it is durable.
 */
import { openBench } from '../content/fixture.js';
import { addPackedFile, openVolume, removeFile } from './fixture.js';
import { fileOf, pick } from './seeded.js';

const [directory, seedText] = process.argv.slice(2);
const seed = Number(seedText);
const volume = openVolume(await openBench(directory));
const { content, store } = volume.bench;

for (let step = 0; ; step++) {
  const [inode] = await Promise.all([
    addPackedFile(volume, `s${seed}-${step}`, fileOf(seed, step), {
      level: pick(seed, step, 3),
      tier: 1 + pick(seed, step + 1, 2),
      batchBytes: 1 << 20,
    }),
    pick(seed, step, 2) === 0 ? content.reclaim() : undefined,
  ]);
  await store.commit();
  process.stdout.write(`packed s${seed}-${step}\n`);
  if (pick(seed, step, 4) === 1) await content.relocate(inode.ino, 1 + pick(seed, step, 2));
  if (pick(seed, step, 3) === 1) {
    process.stdout.write(`removing s${seed}-${step}\n`);
    removeFile(volume, inode);
  }
}
