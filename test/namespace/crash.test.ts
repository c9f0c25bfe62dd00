/** kill -9 at random times: every acknowledged operation is there, and none by half. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openNamespace } from '../../src/namespace/namespace.js';
import { openStore } from '../../src/store/store.js';
import { randomNumbers, scratchDirectory, testSeed } from '../store/scratch.js';
import { checkNamespace } from './check.js';
import { filesInMap, lastOperation, operate } from './operations.js';

const WRITER = fileURLToPath(new URL('./crash-writer.js', import.meta.url));
const ROUNDS = 5;

/** @returns the last operation that was acknowledged before the kill */
async function operateAndKill(directory: string, seed: number, lines: number): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, directory, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(writer, 'close');
  let output = '';
  writer.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.split('\n').length > lines) writer.kill('SIGKILL');
  });
  await ended;
  return Math.max(...output.split('\n').slice(0, -1).map(Number));
}

test('kill -9 leaves every acknowledged operation, and each one whole', async (t) => {
  const seed = testSeed(t);
  const random = randomNumbers(seed);
  const directory = scratchDirectory(t);
  const expected = new Map<string, number>();
  let done = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const lines = 1 + Math.floor(random() * 20);
    const acknowledged = await operateAndKill(directory, seed, lines);
    const store = await openStore(directory, { create: false });
    const namespace = openNamespace(store);
    const last = lastOperation(namespace);
    assert.ok(last >= acknowledged, `${acknowledged} was acknowledged, ${last} is the last`);
    while (done < last) operate(filesInMap(expected), seed, ++done);
    checkNamespace(namespace, expected);
    await store.close();
  }
});
