/** Kills a packing process again and again. SEED replays a run, ROUNDS makes it long. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ROOT_INO } from '../../src/namespace/types.js';
import { assertReads, closeBench, createBench, openBench, reclaimAll } from '../content/fixture.js';
import { seed } from '../seed.js';
import { assertClean, openVolume } from './fixture.js';
import { fileOf, pick } from './seeded.js';

const CRASHER = fileURLToPath(new URL('./crasher.js', import.meta.url));
const rounds = Number(process.env['ROUNDS'] ?? 4);

/** @returns the lines that the process said before it was killed. */
async function crash(directory: string, round: number): Promise<string[]> {
  const child = spawn(process.execPath, [CRASHER, directory, String(seed + round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  while (!said.includes('\n') && child.exitCode === null) await sleep(20);
  await sleep(pick(seed, round, 700));
  assert.equal(child.exitCode, null, 'the process was still at work');
  child.kill('SIGKILL');
  await ended;
  return said.split('\n').slice(0, -1);
}

test(`a kill -9 while packing loses no file that was durable (seed ${seed})`, async (t) => {
  const bench = await createBench();
  const { directory } = bench;
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  await closeBench(bench);
  const expected = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const removing = new Set<string>();
    for (const line of await crash(directory, round)) {
      const [what, name] = line.split(' ');
      if (what === 'packed') expected.add(name);
      if (what !== 'removing') continue;
      expected.delete(name);
      removing.add(name);
    }
    await checkAfterCrash(directory, expected, removing);
  }
});

async function checkAfterCrash(
  directory: string,
  expected: Set<string>,
  removing: Set<string>,
): Promise<void> {
  const volume = openVolume(await openBench(directory));
  assert.deepEqual(volume.bench.complaints, []);
  dropUnfinished(volume, expected);
  await assertClean(volume, true);
  for (const { name, ino } of volume.namespace.list(ROOT_INO)) {
    const [seedOf, step] = name.slice(1).split('-').map(Number);
    await assertReads(volume.bench, ino, fileOf(seedOf, step));
    assert.ok(expected.has(name) || removing.has(name) || expected.add(name));
    expected.delete(name);
  }
  assert.deepEqual([...expected], [], 'every durable file is there');
  for (const { name } of volume.namespace.list(ROOT_INO)) expected.add(name);
  await reclaimAll(volume.bench);
  await assertClean(volume, true);
  await closeBench(volume.bench);
}

/** A file whose recipe was not committed yet is empty; the filesystem would have it plain. */
function dropUnfinished(
  { namespace, bench }: ReturnType<typeof openVolume>,
  expected: Set<string>,
): void {
  for (const { name, ino } of [...namespace.list(ROOT_INO)]) {
    if (bench.content.hasRecipe(ino)) continue;
    assert.ok(!expected.has(name), `${name} was durable and has lost its recipe`);
    namespace.remove(ROOT_INO, name);
    namespace.destroy(namespace.get(ino)!);
  }
}
