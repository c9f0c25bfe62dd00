/** Directories and seeds for tests of stores. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** An empty directory that is gone after the test. */
export function scratchDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The seed of a random test: from CORAL_REEF_SEED, or a new one; printed for replay. */
export function testSeed(t: TestContext): number {
  const seed = Number(process.env['CORAL_REEF_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`replay with CORAL_REEF_SEED=${seed}`);
  return seed;
}

/** Repeatable numbers from 0 to below 1 (a 32-bit linear congruence, high bits used). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}
