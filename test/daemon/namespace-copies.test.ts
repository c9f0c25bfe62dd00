/** The namespace is copied to the tiers while the volume is in use. */
import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import {
  type CopyTimes,
  keepNamespaceCopies,
  type NamespaceCopies,
} from '../../src/daemon/namespace-copies.js';
import { namespaceCopyPath } from '../../src/integrity/namespace-copy.js';
import { openNamespace } from '../../src/namespace/namespace.js';
import { generationOf } from '../../src/store/generation.js';
import { openStore } from '../../src/store/store.js';
import { notedGeneration } from '../../src/tiers/generation.js';
import type { TierSet } from '../../src/tiers/types.js';
import { quiet, world, type World } from '../migration/world.js';
import { sleep, waitFor } from '../../scripts/lib/process.js';

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

function keep(t: TestContext, { store, tiers, content }: World, times: CopyTimes): NamespaceCopies {
  const log = { ...quiet, trace() {} };
  const copies = keepNamespaceCopies({ store, tiers, content, log, times });
  t.after(() => copies.stop());
  return copies;
}

const copiesOn = ({ tiers }: TierSet): string[] =>
  tiers.map((tier) => `${namespaceCopyPath(tier)}/data.mdb`);

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

test('what changed is in a copy soon, which is of an earlier generation than what comes after', async (t) => {
  const made = await world(t);
  const { store, tiers, add } = made;
  const copies = keep(t, made, { look: 20, whilePacking: 20, afterChange: 20 });
  const inode = await add('file', Buffer.from('bytes'));
  const paths = copiesOn(tiers);
  await waitFor('all tiers note the generation after it', async () => {
    const noted = await Promise.all(tiers.tiers.map(({ path }) => notedGeneration(path)));
    return noted.every((generation) => generation > 0 && generation === generationOf(store));
  });
  assert.ok(paths.every(isThere));
  const times = paths.map((path) => statSync(path).mtimeMs);
  await sleep(200);
  assert.deepEqual(
    paths.map((path) => statSync(path).mtimeMs),
    times,
    'nothing changed, so no copy was made',
  );
  await copies.stop();
  const copy = await openStore(namespaceCopyPath(tiers.tiers[1]));
  assert.equal(openNamespace(copy).get(inode.ino)?.size, 5);
  assert.ok(generationOf(copy) < generationOf(store));
  await copy.close();
  for (const path of paths) rmSync(path);
});

test('what was packed is in a copy once packing pauses, long before what only changed: nothing else knows its chunks', async (t) => {
  const made = await world(t);
  const paths = copiesOn(made.tiers);
  const copies = keep(t, made, { look: 10, whilePacking: HOUR_MS, afterChange: HOUR_MS });
  await made.add('changed', Buffer.from('bytes'));
  await made.done('demote', await made.addSparse('small', Buffer.from('small'), 8 * MIB), 'hdd');
  await sleep(200);
  assert.ok(!paths.some(isThere), 'nothing that is worth a copy yet');
  const packed = await made.addSparse('large', Buffer.from('large'), 64 * MIB);
  await made.done('demote', packed, 'hdd');
  await waitFor('each tier has a copy', () => paths.every(isThere));
  await copies.stop();
  const copy = await openStore(namespaceCopyPath(made.tiers.tiers[1]));
  assert.equal(openNamespace(copy).get(packed.ino)?.packedTier, made.tiers.byName('hdd')?.id);
  await copy.close();
});
