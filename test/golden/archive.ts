/**
 * Golden volumes as archives: the volume's folder and its tiers' folders as a clean unmount leaves them, with
 * the extended attributes of backing files, and `expected.json` (`manifest.ts`).
 */
import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from '../../scripts/lib/process.js';
import { checkout, createPlace, TIERS, type Ending, type TestVolume } from '../e2e/harness.js';
import type { Entry } from './manifest.js';

export const GOLDEN = join(checkout, 'test/golden');
const MANIFEST = 'expected.json';
const XATTRS = ['--xattrs', '--xattrs-include=user.*'];

/**
 * Nothing moves but by request: not what is read, nor what was last opened when the volume was made. Where the
 * tiers are now is not where the volume remembers them.
 */
export function mountOptions(volume: TestVolume): string[] {
  const tiers = TIERS.map((name) => `tier.${name}=${volume.tier(name)}`);
  return ['promote=never', 'cold-after=36500d', ...tiers];
}

export function archives(): string[] {
  return readdirSync(GOLDEN).filter((name) => name.endsWith('.tar.gz'));
}

/** `what` tells apart those of one version of packs, where another format got a new version. */
export const archiveOf = (packVersion: number, what?: string): string =>
  join(
    GOLDEN,
    `volume-${[packVersion, what].filter((part) => part !== undefined).join('-')}.tar.gz`,
  );

/** Archives a volume that is not mounted, without its log and who had it mounted last. */
export async function archive(volume: TestVolume, entries: Entry[], path: string): Promise<void> {
  const lines = entries.map((entry) => JSON.stringify(entry));
  await writeFile(join(volume.root, MANIFEST), `[\n${lines.join(',\n')}\n]\n`);
  const flags = ['--format=posix', '--sparse', '--sort=name', '--numeric-owner', ...XATTRS];
  const what = [
    '--exclude=volume/log',
    '--exclude=volume/lock',
    '-C',
    volume.root,
    'volume',
    ...TIERS,
    MANIFEST,
  ];
  await must('tar', ['--create', '-I', 'gzip -9n', '-f', path, ...flags, ...what]);
}

/** Unpacks an archive into a place of its own. */
export async function unarchive(context: Ending, name: string) {
  const volume = await createPlace(context);
  const flags = ['--numeric-owner', '--same-owner', '--preserve-permissions', ...XATTRS];
  await must('tar', ['--extract', '-f', join(GOLDEN, name), '-C', volume.root, ...flags]);
  const text = await readFile(join(volume.root, MANIFEST), 'utf8');
  return { volume, expected: JSON.parse(text) as Entry[] };
}
