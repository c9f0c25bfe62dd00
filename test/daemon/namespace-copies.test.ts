/** The namespace is copied to the tiers while the volume is in use. */
import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { keepNamespaceCopies } from '../../src/daemon/namespace-copies.js';
import { namespaceCopyPath } from '../../src/integrity/namespace-copy.js';
import { openNamespace } from '../../src/namespace/namespace.js';
import { generationOf } from '../../src/store/generation.js';
import { openStore } from '../../src/store/store.js';
import { notedGeneration } from '../../src/tiers/generation.js';
import { quiet, world } from '../migration/world.js';
import { sleep, waitFor } from '../../scripts/lib/process.js';

test('what changed is in a copy soon, which is of an earlier generation than what comes after', async (t) => {
  const { store, tiers, add } = await world(t);
  const copies = keepNamespaceCopies({
    store,
    tiers,
    log: { ...quiet, trace() {} },
    intervalMs: 20,
  });
  t.after(() => copies.stop());
  const inode = await add('file', Buffer.from('bytes'));
  const paths = tiers.tiers.map((tier) => `${namespaceCopyPath(tier)}/data.mdb`);
  const there = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined;
  await waitFor('all tiers note the generation after it', async () => {
    const noted = await Promise.all(tiers.tiers.map(({ path }) => notedGeneration(path)));
    return noted.every((generation) => generation > 0 && generation === generationOf(store));
  });
  assert.ok(paths.every(there));
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
