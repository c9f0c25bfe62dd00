/**
 * Gives a tier up and kills itself on the way: lost-tier-child.js VOLUME TIER STEP. Steps are whatever becomes durable, before
 * and after: a file made, a file renamed, a transaction of the database. Says `done` where there are fewer.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';

const [volume, tier, last] = process.argv.slice(2);
const require = createRequire(import.meta.url);
let step = 0;

function reach(): void {
  if (step++ === Number(last)) process.kill(process.pid, 'SIGKILL');
}

/** Has `object[name]` count as two steps where it is called. */
function count(object: Record<string, unknown>, name: string): void {
  const original = object[name] as (...args: unknown[]) => Promise<unknown>;
  object[name] = async function (this: unknown, ...args: unknown[]) {
    reach();
    const result = await original.apply(this, args);
    reach();
    return result;
  };
}

const files = require('node:fs/promises') as Record<string, unknown>;
for (const name of ['open', 'rename']) count(files, name);
syncBuiltinESMExports();

const lmdb = require('lmdb') as { open: (...args: unknown[]) => Record<string, unknown> };
const { open } = lmdb;
lmdb.open = (...args) => {
  const root = open(...args);
  count(root, 'batch');
  return root;
};

const { removeLostTierFrom } = await import('../../src/daemon/volume-tiers.js');
await removeLostTierFrom(volume, tier, () => reach());
process.stdout.write('done\n');
