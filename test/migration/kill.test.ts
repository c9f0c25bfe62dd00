import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { seed } from '../seed.js';
import { createRandom } from './random.js';
import { openWorld, randomBytesOf, temporaryRoot, type World } from './world.js';

const CHILD = fileURLToPath(new URL('kill-child.js', import.meta.url));
const ROUNDS = Number(process.env['ROUNDS'] ?? 8);

interface Known {
  content: string;
  size: number;
}

/** Runs a child until it is killed; takes what it said into `known`. */
async function runAndKill(
  root: string,
  seed: number,
  afterMs: number,
  known: Map<number, Known>,
): Promise<void> {
  const child = spawn(process.execPath, [CHILD, root, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      if (output.includes('ready\n')) resolve();
    });
    child.once('exit', () => reject(new Error('the child ended by itself')));
  });
  const closed = once(child, 'close');
  await ready;
  await delay(afterMs);
  child.kill('SIGKILL');
  const [, signal] = (await closed) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', 'it was still at work');
  for (const line of output.split('\n')) {
    const [word, ino, content, size] = line.split(' ');
    if (word === 'may') known.delete(Number(ino));
    if (word === 'have') known.set(Number(ino), { content, size: Number(size) });
  }
}

/** Every file that somebody relies on is there, and no tier holds bytes that nobody refers to. */
async function check(w: World, known: Map<number, Known>): Promise<void> {
  for (const [ino, { content, size }] of known) {
    const inode = w.namespace.get(ino);
    assert.ok(inode, `inode ${ino} is there`);
    const found = await w.read(inode);
    assert.ok(found.equals(randomBytesOf(content, size)), `inode ${ino}, ${w.formOf(inode)}`);
  }
  for (const tier of w.tiers.tiers) {
    for (const name of await w.backing(tier.name)) {
      assert.ok(name.startsWith('files/'), `nothing is left of moves: ${tier.name} ${name}`);
      const inode = w.namespace.get(parseInt(name.slice('files/00/'.length), 16));
      // A file whose creation or deletion the kill cut short is not migration's.
      if (!inode || !known.has(inode.ino)) continue;
      assert.equal(inode.plainTier, tier.id, `a second copy of ${inode.ino} on ${tier.name}`);
    }
  }
}

test('kill -9 at any moment of moves loses no byte and leaves no second copy', async (t) => {
  console.log(`SEED=${seed}`);
  const random = createRandom(seed);
  const root = await temporaryRoot(t);
  const known = new Map<number, Known>();
  for (let round = 0; round < ROUNDS; round++) {
    await runAndKill(root, random.below(2 ** 31), 20 + random.below(500), known);
    const w = await openWorld(root);
    try {
      await check(w, known);
      // What the kill caught in the middle of a change is unspecified; later rounds leave it out.
      for (const inode of [...w.namespace.inodes(1)])
        if (!known.has(inode.ino)) await w.remove(inode);
    } finally {
      await w.close();
    }
  }
});
