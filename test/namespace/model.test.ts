/** Random operations on a namespace against a plain map, with commits and reopening in between. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { NamespaceParts } from '../../src/namespace/namespace.js';
import type { StoreOptions } from '../../src/store/store.js';
import { randomNumbers, testSeed } from '../store/scratch.js';
import { checkNamespace } from './check.js';
import { openScratch } from './open.js';
import { filesInMap, filesInNamespace, operate } from './operations.js';

const OPERATIONS = 1500;

async function run(
  t: TestContext,
  seed: number,
  parts: NamespaceParts,
  options: StoreOptions,
): Promise<void> {
  const random = randomNumbers(seed + 1);
  const expected = new Map<string, number>();
  const model = filesInMap(expected);
  let opened = await openScratch(t, parts, options);
  let files = filesInNamespace(opened.namespace);
  for (let n = 1; n <= OPERATIONS; n++) {
    operate(model, seed, n);
    operate(files, seed, n);
    const choice = random();
    if (choice < 0.02) checkNamespace(opened.namespace, expected);
    else if (choice < 0.05) void opened.namespace.commit();
    else if (choice < 0.1) await new Promise((resolve) => setImmediate(resolve));
    else if (choice < 0.12) await opened.namespace.commit();
    else if (choice < 0.123) {
      opened = await opened.reopen();
      files = filesInNamespace(opened.namespace);
    }
  }
  opened = await opened.reopen();
  checkNamespace(opened.namespace, expected);
  assert.equal(opened.store.failed, null);
}

/** Four hashes for all names: every bucket is shared by up to 15. */
const fewHashes = (name: string): Buffer =>
  Buffer.from([0, 0, 0, 0, 0, 0, 1, Number(name.slice('file '.length)) % 4]);

test('no file is lost, doubled or half changed under random use', async (t) => {
  const seed = testSeed(t);
  await run(t, seed, {}, {});
  await run(t, seed, { cachedInodes: 5 }, { groupWrites: 10 });
  await run(t, seed, { hash: fewHashes }, {});
});
