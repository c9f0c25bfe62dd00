/**
 * Goes on with operations until it is killed; prints the number of each one that is durable. Run by
 * crash.test.ts with a directory and a seed.
 */
import { writeSync } from 'node:fs';
import { openNamespace } from '../../src/namespace/namespace.js';
import { openStore } from '../../src/store/store.js';
import { filesInNamespace, lastOperation, operate, recordOperation } from './operations.js';

async function main(directory: string, seed: number): Promise<void> {
  const namespace = openNamespace(await openStore(directory, { groupWrites: 20, idleMs: 5 }));
  const files = filesInNamespace(namespace);
  for (let n = lastOperation(namespace) + 1; ; n++) {
    operate(files, seed, n);
    recordOperation(namespace, n);
    if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (n % 50 !== 0) continue;
    await namespace.commit();
    writeSync(1, `${n}\n`);
  }
}

await main(process.argv[2]!, Number(process.argv[3]));
