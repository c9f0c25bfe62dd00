/** Random operations on a store against a plain map, with commits, ranges and reopening in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openStore, type StoreOptions } from '../../src/store/store.js';
import type { Store, Table } from '../../src/store/types.js';
import { randomNumbers, scratchDirectory, testSeed } from './scratch.js';

const TABLES = ['a', 'b'];
const STEPS = 4000;

class Model {
  readonly rows = new Map<string, string>();

  range(start: string, end: string | undefined): [string, string][] {
    const keys = [...this.rows.keys()].sort((a, b) => (a < b ? -1 : 1));
    return keys
      .filter((key) => key >= start && (end === undefined || key < end))
      .map((key) => [key, this.rows.get(key)!]);
  }
}

function rowsOf(table: Table, start: string, end?: string): [string, string][] {
  const last = end === undefined ? undefined : Buffer.from(end, 'latin1');
  return Array.from(table.range(Buffer.from(start, 'latin1'), last), ({ key, value }) => [
    key.toString('latin1'),
    value.toString('latin1'),
  ]);
}

async function run(directory: string, seed: number, options: StoreOptions): Promise<void> {
  const random = randomNumbers(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const models = new Map(TABLES.map((name) => [name, new Model()]));
  const commits: Promise<void>[] = [];
  let store: Store = await openStore(directory, options);
  const randomKey = (): string => String.fromCharCode(1 + below(255)).repeat(1 + below(3));

  const check = (name: string, start: string, end?: string): void =>
    assert.deepEqual(rowsOf(store.table(name), start, end), models.get(name)!.range(start, end));

  for (let step = 0; step < STEPS; step++) {
    const name = TABLES[below(TABLES.length)]!;
    const model = models.get(name)!;
    const key = randomKey();
    const action = below(100);
    if (action < 45) {
      const value = String(step).repeat(1 + below(20));
      model.rows.set(key, value);
      store.table(name).put(Buffer.from(key, 'latin1'), Buffer.from(value));
    } else if (action < 65) {
      model.rows.delete(key);
      store.table(name).remove(Buffer.from(key, 'latin1'));
    } else if (action < 80) {
      const value = store.table(name).get(Buffer.from(key, 'latin1'));
      assert.equal(value?.toString('latin1'), model.rows.get(key));
    } else if (action < 88) {
      const [start, end] = [key, randomKey()].sort();
      check(name, start!, below(4) === 0 ? undefined : end);
    } else if (action < 92) {
      commits.push(store.commit());
    } else if (action < 96) {
      await new Promise((resolve) => setImmediate(resolve));
    } else if (action < 98) {
      await Promise.all(commits.splice(0));
    } else if (below(20) === 0) {
      await store.close();
      store = await openStore(directory, options);
    }
  }
  await Promise.all(commits);
  for (const name of TABLES) check(name, '');
  await store.close();
  store = await openStore(directory, options);
  for (const name of TABLES) check(name, '');
  await store.close();
}

test('nothing written is lost, doubled or out of order under random use', async (t) => {
  const seed = testSeed(t);
  await run(scratchDirectory(t), seed, {});
  await run(scratchDirectory(t), seed + 1, { groupWrites: 3, idleMs: 1 });
  await run(scratchDirectory(t), seed + 2, { groupBytes: 1000, idleMs: 5 });
});
