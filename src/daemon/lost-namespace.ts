/** The namespace database is gone: what a person can put in its place. It must not look like a new volume. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CoralError, ExitCode } from '../config/errors.js';
import { namespaceCopyPath } from '../integrity/namespace-copy.js';
import { DATA_FILE } from '../store/files.js';
import { notedGeneration } from '../tiers/generation.js';
import { openProblem } from '../tiers/tier-set.js';
import type { TierConfig } from '../tiers/types.js';

export interface NamespacePlace {
  /** Of the database. */
  directory: string;
  volumeId: string;
  /** Where they are now. */
  tiers: readonly TierConfig[];
}

/** @throws CoralError where there is no database, and the tiers have been in use */
export async function refuseWithoutNamespace(place: NamespacePlace): Promise<void> {
  if ((await sizeOf(join(place.directory, DATA_FILE))) > 0) return;
  const copies = await copiesOf(place);
  if (copies.length === 0 && !(await isInUse(place))) return;
  const way = wayOut(place, copies) ?? 'restore it from a backup';
  throw new CoralError(
    ExitCode.unusable,
    `the namespace database ${join(place.directory, DATA_FILE)} is gone, and without it the files on the tiers have no names; ${way}`,
  );
}

/** What to do about a database that can't be opened, as part of a sentence; undefined where no tier has a copy. */
export async function namespaceWayOut(place: NamespacePlace): Promise<string | undefined> {
  return wayOut(place, await copiesOf(place));
}

interface Copy {
  path: string;
  time: Date;
}

function wayOut({ directory }: NamespacePlace, copies: readonly Copy[]): string | undefined {
  if (copies.length === 0) return undefined;
  const { path, time } = copies.reduce((best, copy) => (copy.time > best.time ? copy : best));
  return (
    `put the newest copy in its place (of ${time.toISOString()}; files that were packed or renamed since are not in it): ` +
    `cp ${path} ${join(directory, DATA_FILE)}`
  );
}

async function copiesOf({ tiers, volumeId }: NamespacePlace): Promise<Copy[]> {
  const copies: Copy[] = [];
  for (const tier of tiers) {
    if (await openProblem(tier, volumeId)) continue;
    const path = join(namespaceCopyPath(tier), DATA_FILE);
    const found = await stat(path).catch(() => undefined);
    if (found && found.size > 0) copies.push({ path, time: found.mtime });
  }
  return copies;
}

async function isInUse({ tiers, volumeId }: NamespacePlace): Promise<boolean> {
  for (const tier of tiers) {
    if (!(await openProblem(tier, volumeId)) && (await notedGeneration(tier.path)) > 0) return true;
  }
  return false;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
