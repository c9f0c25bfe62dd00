/** kill -9 at random times: what `commit` acknowledged is there, and each group is whole or absent. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore } from '../../src/store/store.js';
import { crashKey, KEYS } from './crash-writer.js';
import { randomNumbers, scratchDirectory, testSeed } from './scratch.js';

const WRITER = fileURLToPath(new URL('./crash-writer.js', import.meta.url));
const ROUNDS = 6;

/** @returns the last group that the writer saw acknowledged before it was killed */
async function writeAndKill(directory: string, acknowledgements: number): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(writer, 'close');
  let output = '';
  writer.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.split('\n').length > acknowledgements) writer.kill('SIGKILL');
  });
  await ended;
  return Math.max(...output.split('\n').slice(0, -1).map(Number));
}

async function groupsOnDisk(directory: string): Promise<Set<number>> {
  const store = await openStore(directory);
  const tables = [store.table('even'), store.table('odd')];
  const groups = new Set<number>();
  for (let i = 0; i < KEYS; i++) groups.add(tables[i % 2]!.get(crashKey(i))!.readUInt32BE());
  await store.close();
  return groups;
}

test('kill -9 loses no acknowledged group and leaves no half one', async (t) => {
  const random = randomNumbers(testSeed(t));
  const directory = scratchDirectory(t);
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledged = await writeAndKill(directory, 1 + Math.floor(random() * 60));
    const groups = await groupsOnDisk(directory);
    assert.equal(groups.size, 1, `groups ${[...groups].join(', ')} are mixed`);
    const [last] = groups;
    assert.ok(last! >= acknowledged, `group ${acknowledged} was acknowledged, ${last} is there`);
  }
});
