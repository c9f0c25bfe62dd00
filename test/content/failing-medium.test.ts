/** Needs root: the medium of a tier takes no more of what the kernel accepted already. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { thinFilesystem, type ThinFilesystem } from '../loop-filesystem.js';
import {
  assertReads,
  closeBench,
  createBench,
  openBench,
  packFile,
  randomBytes,
  reclaimAll,
  removeBench,
  type Bench,
} from './fixture.js';

const MIB = 1 << 20;
const kept = randomBytes(1, 8 * MIB);
let bench: Bench;
let thin: ThinFilesystem;
let clean: () => void;
beforeEach(async () => {
  thin = thinFilesystem((end) => (clean = end), 512 * MIB, 48 * MIB);
  bench = await createBench({ tierPaths: { hdd: thin.path } });
  await packFile(bench, 10, kept);
});
afterEach(async () => {
  await removeBench(bench);
  clean();
});

function dropCaches(): void {
  writeFileSync('/proc/sys/vm/drop_caches', '1');
}

test('a sync that fails beside appends fails the job, and what was synced before is kept', async () => {
  const bytes = randomBytes(2, 160 * MIB);
  await assert.rejects(packFile(bench, 11, bytes, { batchBytes: MIB }), { code: 'ENOSPC' });
  assert.ok(bench.complaints.some((text) => text.startsWith('writing a pack failed')));
  assert.ok(!bench.content.hasRecipe(11));
  dropCaches();
  await assertReads(bench, 10, kept);
  thin.setRoom(512 * MIB);
  await reclaimAll(bench);
  await packFile(bench, 11, bytes, { batchBytes: MIB });
  await closeBench(bench);
  bench = await openBench(bench.directory);
  dropCaches();
  await assertReads(bench, 10, kept);
  await assertReads(bench, 11, bytes);
});

test('every job that wrote to the pack whose sync failed fails, and none names what was lost', async () => {
  const bytes = randomBytes(3, 80 * MIB);
  const other = randomBytes(4, 80 * MIB);
  const both = (): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled([
      packFile(bench, 11, bytes, { batchBytes: MIB }),
      packFile(bench, 12, other, { batchBytes: MIB }),
      // Relies on what the first one appends.
      packFile(bench, 13, bytes, { batchBytes: 2 * MIB }),
    ]);
  for (const result of await both()) {
    assert.equal(
      result.status === 'rejected' && (result.reason as NodeJS.ErrnoException).code,
      'ENOSPC',
    );
  }
  thin.setRoom(512 * MIB);
  // A pack that was begun meanwhile may have failed unseen: it goes.
  await reclaimAll(bench);
  for (const result of await both()) assert.equal(result.status, 'fulfilled');
  await closeBench(bench);
  bench = await openBench(bench.directory);
  dropCaches();
  await assertReads(bench, 10, kept);
  await assertReads(bench, 11, bytes);
  await assertReads(bench, 12, other);
  await assertReads(bench, 13, bytes);
});
