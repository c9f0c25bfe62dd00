/**
 * Writes groups until it is killed: each sets every one of KEYS to the group's number. Prints the number
 * once `commit` says that it is durable. Run by crash.test.ts with a directory.
 */
import { writeSync } from 'node:fs';
import { openStore } from '../../src/store/store.js';

export const KEYS = 20;

export function crashKey(index: number): Buffer {
  return Buffer.from(`key ${index}`);
}

async function main(directory: string): Promise<void> {
  const store = await openStore(directory, { groupWrites: 7 });
  const tables = [store.table('even'), store.table('odd')];
  const last = tables[0]!.get(crashKey(0));
  for (let group = last === undefined ? 1 : last.readUInt32BE() + 1; ; group++) {
    const value = Buffer.alloc(64);
    value.writeUInt32BE(group);
    for (let i = 0; i < KEYS; i++) tables[i % 2]!.put(crashKey(i), value);
    const durable = store.commit().then(() => writeSync(1, `${group}\n`));
    if (group % 3 === 0) await durable;
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

if (process.argv[2] !== undefined) await main(process.argv[2]);
