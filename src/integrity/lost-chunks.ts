/** Which recipes lose something with packs that are no more. */
import { hashOf, namesOf } from '../content/names.js';
import { loadPacks } from '../content/packs.js';
import {
  decodeHead,
  decodeLocation,
  nameAt,
  numberKey,
  type RecipeHead,
} from '../content/records.js';
import type { ChunkLocation } from '../content/types.js';
import type { Store } from '../store/types.js';
import type { TierSet } from '../tiers/types.js';
import { walkSegments } from './walks.js';

/**
 * Bytes of the file that are lost, by the numbers of the recipes that lose any. `isLost` is asked about the tier of a pack, 0
 * for one that the catalogue does not have. A chunk of which there is another copy on one of `tiers` is not lost.
 */
export async function lostByRecipe(
  { store, tiers }: { store: Store; tiers: Pick<TierSet, 'byId'> },
  isLost: (tier: number) => boolean,
): Promise<Map<number, number>> {
  const chunks = store.table('chunks');
  const packs = loadPacks(store);
  const tierOf = ({ packId }: ChunkLocation): number => packs.get(packId)?.tier ?? 0;
  const locate = (name: Buffer): ChunkLocation | undefined => {
    const value = chunks.get(name);
    return value && decodeLocation(value);
  };
  const isElsewhere = (name: Buffer): boolean =>
    namesOf(hashOf(name)).some((other) => {
      const copy = locate(other);
      return copy?.bad === false && tiers.byId(tierOf(copy)) !== undefined;
    });
  const lost = new Map<number, number>();
  for await (const { recipeId, chunks: segment } of walkSegments(store)) {
    for (let i = 0; i < segment.lengths.length; i++) {
      if (segment.zero[i]) continue;
      const name = nameAt(segment, i);
      const location = locate(name);
      if (!location || !isLost(tierOf(location)) || isElsewhere(name)) continue;
      lost.set(recipeId, (lost.get(recipeId) ?? 0) + segment.lengths[i]);
    }
  }
  return lost;
}

/** Undefined where the inode has no recipe. */
export function headOf(store: Store, ino: number): RecipeHead | undefined {
  const value = store.table('recipes').get(numberKey(ino));
  return value && decodeHead(value);
}
