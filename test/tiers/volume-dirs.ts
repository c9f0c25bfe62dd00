/** Temporary volumes for the tests of tiers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { CoralError } from '../../src/config/errors.js';
import { openStore } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';
import { type OpenTierSet, openTierSet } from '../../src/tiers/tier-set.js';
import type { TierSet, VolumeConfig } from '../../src/tiers/types.js';
import { createVolume, type NewTier } from '../../src/tiers/volume.js';

export const quiet = { info() {}, warn() {}, error() {}, debug() {} };

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'coral-tiers-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Tier directories `<root>/<name>`, made. */
export async function tierDirectories(root: string, ...names: string[]): Promise<NewTier[]> {
  const media = { nvme: 'nvme', ssd: 'ssd', hdd: 'hdd' } as const;
  const tiers: NewTier[] = [];
  for (const name of names) {
    await mkdir(join(root, name), { recursive: true });
    tiers.push({ name, path: join(root, name), medium: media[name as keyof typeof media] });
  }
  return tiers;
}

export interface TestVolume {
  root: string;
  volume: VolumeConfig;
  store: Store;
  open(options?: Partial<OpenTierSet>): Promise<TierSet>;
}

export async function makeVolume(t: TestContext, ...names: string[]): Promise<TestVolume> {
  const root = await temporaryDirectory(t);
  const volume = await createVolume(join(root, 'volume'), await tierDirectories(root, ...names));
  const store = await openStore(join(root, 'volume', 'namespace'));
  t.after(() => store.close());
  return {
    root,
    volume,
    store,
    open: (options) =>
      openTierSet({ volume, overrides: {}, missingTier: 'fail', store, log: quiet, ...options }),
  };
}

/** Checks an error that people see: one line, and with which code the command ends. */
export function refused(exitCode: number, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CoralError, String(error));
    assert.equal(error.exitCode, exitCode, error.message);
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes('\n'), 'one line');
    return true;
  };
}

/** Runs `body` with a small disk at `path`; options as of mount(8). */
export async function withTmpfs(path: string, options: string, body: () => Promise<void>) {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', path]);
  try {
    await body();
  } finally {
    execFileSync('umount', [path]);
  }
}
