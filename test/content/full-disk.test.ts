/** Needs root: mounts a small tmpfs as a tier. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
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
let bench: Bench;
let small: string;
beforeEach(async () => {
  small = mkdtempSync(join(tmpdir(), 'coral-reef-small-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', small]);
  bench = await createBench({ tierPaths: { hdd: small } });
});
afterEach(async () => {
  await removeBench(bench);
  execFileSync('umount', [small]);
  rmSync(small, { recursive: true });
});

test('a full disk fails a packing job with ENOSPC and loses nothing', async () => {
  // Small enough for what is left of the disk: compaction needs room for what is live.
  const kept = randomBytes(1, MIB);
  await packFile(bench, 10, kept);
  await assert.rejects(packFile(bench, 11, randomBytes(2, 40 * MIB)), { code: 'ENOSPC' });
  await assertReads(bench, 10, kept);
  await reclaimAll(bench);
  const next = randomBytes(3, 16 * MIB);
  await packFile(bench, 12, next);
  await closeBench(bench);
  bench = await openBench(bench.directory);
  await assertReads(bench, 10, kept);
  await assertReads(bench, 12, next);
});

test('the space of a deleted file comes back though nothing can be written any more', async () => {
  const bytes = randomBytes(4, 20 * MIB);
  await packFile(bench, 10, bytes);
  fill();
  bench.content.releaseRecipe(10);
  await reclaimAll(bench);
  rmSync(join(small, 'filler'));
  await packFile(bench, 11, bytes);
  await assertReads(bench, 11, bytes);
});

test('a pack that can not be sealed on a full disk is sealed by a later start', async () => {
  const bytes = randomBytes(5, 8 * MIB);
  await packFile(bench, 10, bytes);
  fill();
  await closeBench(bench);
  bench = await openBench(bench.directory);
  await assertReads(bench, 10, bytes);
  await closeBench(bench);
  rmSync(join(small, 'filler'));
  bench = await openBench(bench.directory);
  assert.ok(bench.content.packs().every(({ sealed }) => sealed));
  await assertReads(bench, 10, bytes);
});

/** Takes what is left of the small tier. */
function fill(): void {
  assert.throws(() => writeFileSync(join(small, 'filler'), Buffer.alloc(24 * MIB, 1)), {
    code: 'ENOSPC',
  });
}
