/**
 * Keeps a whole copy of the namespace on every tier, so that it survives the loss of the disk it lives on.
 *
 * The copy is an LMDB environment as it stands, compacted and not compressed: it can be opened in place, and
 * a copy of a large volume would not fit in memory, where the compressor works. It is built beside the old
 * one and renamed over it when it is durable, so that a tier always has a whole copy, the old or the new.
 */
import { access, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoName } from '../config/errors.js';
import { DATA_FILE } from '../store/files.js';
import type { Store } from '../store/types.js';
import { treePath } from '../tiers/marker.js';
import { isWritable, type Tier, type TierSet } from '../tiers/types.js';

export interface NamespaceCopy {
  /** Tier name. */
  tier: string;
  /** Length of the copy; 0 where none was made. */
  bytes: number;
  /** One line why none was made, or null. */
  problem: string | null;
}

/** Room that a copy must leave on a tier: a full tier is worse than an old copy. Bytes. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/** Copies what is committed to each tier that can take it, one by one. Never throws for a tier. */
export async function copyNamespace(store: Store, tiers: TierSet): Promise<NamespaceCopy[]> {
  const copies: NamespaceCopy[] = [];
  for (const tier of tiers.tiers) copies.push(await copyToTier(store, tiers, tier));
  return copies;
}

/** `<tier>/.coral-reef/namespace-copy` */
export function namespaceCopyPath({ path }: Pick<Tier, 'path'>): string {
  return join(treePath(path), 'namespace-copy');
}

/**
 * Before the first copy of a namespace that is itself an older copy: a newer one may be among those that it would replace,
 * and they stay as `data.mdb.1`, unless there is one of these.
 */
export async function keepCopies(tiers: TierSet): Promise<void> {
  for (const tier of tiers.tiers) {
    if (!isWritable(tier)) continue;
    const copy = join(namespaceCopyPath(tier), DATA_FILE);
    if (await isThere(`${copy}.1`)) continue;
    await rename(copy, `${copy}.1`).catch((error: unknown) => {
      if (errnoName(error) !== 'ENOENT') throw error;
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function copyToTier(store: Store, tiers: TierSet, tier: Tier): Promise<NamespaceCopy> {
  if (tier.state !== 'ok') {
    return { tier: tier.name, bytes: 0, problem: tier.problem ?? `the tier is ${tier.state}` };
  }
  const directory = namespaceCopyPath(tier);
  const before = await lengthOf(directory);
  if (tiers.usage(tier).free < before + RESERVE_BYTES) {
    return { tier: tier.name, bytes: 0, problem: 'too little free space for a copy' };
  }
  try {
    await store.copyTo(directory);
    return { tier: tier.name, bytes: await lengthOf(directory), problem: null };
  } catch (error) {
    const problem = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    return { tier: tier.name, bytes: 0, problem };
  }
}

/** Of the copy that is there, 0 for none. */
async function lengthOf(directory: string): Promise<number> {
  return stat(join(directory, DATA_FILE)).then(
    ({ size }) => size,
    () => 0,
  );
}
