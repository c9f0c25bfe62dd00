/**
 * A process that makes, moves, rewrites and deletes files at random until it is killed. Says on
 * standard output, one line each, what a reader may rely on: `have NAME SEED SIZE` once that
 * content is durable, `may NAME` before it changes or deletes it.
 */
import { writeSync } from 'node:fs';
import type { Inode } from '../../src/namespace/types.js';
import { createRandom, type Random } from './random.js';
import { openWorld, randomBytesOf, type World } from './world.js';

const TIERS = ['nvme', 'ssd', 'hdd'];
const MAX_BYTES = 600_000;

/** Files that nobody is making or changing now, so that what may be relied on is clear. */
const quiet = new Set<number>();

const [root, seed] = process.argv.slice(2);
const random = createRandom(Number(seed));
const world = await openWorld(root);
for (const { ino, nlink } of world.namespace.inodes(1)) if (nlink > 0) quiet.add(ino);
say('ready');
await Promise.all([live(world, random), live(world, random), live(world, random)]);

/** Written at once: what is in a pipe outlives its writer. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function live(w: World, r: Random): Promise<void> {
  for (;;) {
    const inodes = [...quiet].map((ino) => w.namespace.get(ino)!);
    if (inodes.length < 4) await make(w, r);
    else await act(w, r, inodes[r.below(inodes.length)]);
  }
}

async function make(w: World, r: Random): Promise<void> {
  const name = `f${r.below(2 ** 30)}`;
  const [content, size] = [`${r.below(20)}`, r.below(MAX_BYTES)];
  const inode = await w.add(name, randomBytesOf(content, size), TIERS[r.below(3)]);
  say(`have ${inode.ino} ${content} ${size}`);
  quiet.add(inode.ino);
}

async function act(w: World, r: Random, inode: Inode): Promise<void> {
  const what = r.below(12);
  if (what === 0) return change(inode, () => w.remove(inode));
  if (what === 1) return change(inode, () => rewrite(w, r, inode));
  if (what === 2) return void (await w.content.reclaim());
  const kind = r.below(2) === 0 ? 'promote' : 'demote';
  const [tier, pack] = [TIERS[r.below(3)], r.below(2) === 0];
  // Asked for in one turn, small ones are moved together.
  const inodes = what === 3 ? [...quiet].flatMap((ino) => w.namespace.get(ino) ?? []) : [inode];
  await Promise.allSettled(inodes.map((each) => w.done(kind, each, tier, pack)));
}

async function change(inode: Inode, work: () => Promise<void>): Promise<void> {
  quiet.delete(inode.ino);
  say(`may ${inode.ino}`);
  await work();
}

async function rewrite(w: World, r: Random, inode: Inode): Promise<void> {
  const [content, size] = [`${r.below(20)}`, r.below(MAX_BYTES)];
  await w.overwrite(inode, randomBytesOf(content, size));
  say(`have ${inode.ino} ${content} ${size}`);
  quiet.add(inode.ino);
}
