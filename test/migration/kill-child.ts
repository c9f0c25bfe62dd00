/**
 * A process that makes, moves, rewrites and deletes files at random until it is killed. Says on standard
 * output, one line each, what a reader may rely on: `have NAME SEED SIZE` once that content is durable,
 * `may NAME` before it changes or deletes it.
 */
import { writeSync } from 'node:fs';
import type { Inode } from '../../src/namespace/types.js';
import { createRandom, type Random } from './random.js';
import { openWorld, randomBytesOf, type World } from './world.js';

const TIERS = ['nvme', 'ssd', 'hdd'];
const MAX_BYTES = 600_000;

/** Files that are being changed: one at a time, so that what may be relied on is clear. */
const busy = new Set<number>();

const [root, seed] = process.argv.slice(2);
const random = createRandom(Number(seed));
const world = await openWorld(root);
say('ready');
await Promise.all([live(world, random), live(world, random), live(world, random)]);

/** Written at once: what is in a pipe outlives its writer. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function live(w: World, r: Random): Promise<void> {
  for (let step = 0; ; step++) {
    const files = [...w.namespace.inodes(1)].filter((inode) => inode.nlink > 0);
    const free = files.filter((inode) => !busy.has(inode.ino));
    if (free.length < 4) await make(w, r);
    else await act(w, r, free[r.below(free.length)]);
  }
}

async function make(w: World, r: Random): Promise<void> {
  const name = `f${r.below(2 ** 30)}`;
  const [content, size] = [`${r.below(20)}`, r.below(MAX_BYTES)];
  const inode = await w.add(name, randomBytesOf(content, size), TIERS[r.below(3)]);
  say(`have ${inode.ino} ${content} ${size}`);
}

async function act(w: World, r: Random, inode: Inode): Promise<void> {
  const what = r.below(12);
  if (what === 0) return change(inode, () => w.remove(inode));
  if (what === 1) {
    const [content, size] = [`${r.below(20)}`, r.below(MAX_BYTES)];
    return change(inode, async () => {
      await w.overwrite(inode, randomBytesOf(content, size));
      say(`have ${inode.ino} ${content} ${size}`);
    });
  }
  if (what === 2) return void (await w.content.reclaim());
  const kind = r.below(2) === 0 ? 'promote' : 'demote';
  await w.done(kind, inode, TIERS[r.below(3)], r.below(2) === 0).catch(() => {});
}

async function change(inode: Inode, work: () => Promise<void>): Promise<void> {
  busy.add(inode.ino);
  say(`may ${inode.ino}`);
  await work();
  busy.delete(inode.ino);
}
