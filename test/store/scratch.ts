/** Directories and seeds for tests of stores. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { seed } from '../seed.js';

/** An empty directory that is gone after the test. */
export function scratchDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The seed of this run, printed for replay. */
export function testSeed(t: TestContext): number {
  t.diagnostic(`SEED=${seed}`);
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
