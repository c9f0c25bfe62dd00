/**
 * Packs on tiers that the volume has no more: with them their chunks are lost. A chunk stays in the index as long as recipes
 * name it, marked as damaged, in a pack that the catalogue does not have: so it is no dedup hit, the rest of a file can be
 * read, and new bytes heal it. Each step may be done again after a crash:
 *
 * 1. `loseChunks` marks them, and stores those anew of which there is another copy;
 * 2. whoever uses them does without;
 * 3. `forgetPacks`: from then on nothing knows of these packs.
 */
import { commitWhereRoom } from '../store/commit.js';
import { heal } from './healing.js';
import { PLAN_SLICE_CHUNKS } from './limits.js';
import { hashOf } from './names.js';
import type { ContentParts } from './parts.js';
import type { PackRecord } from './records.js';
import { giveWay } from './turns.js';

/** Durable when it resolves, where the database's disk has room. */
export async function loseChunks(parts: ContentParts): Promise<void> {
  const packs = new Set(lostPacks(parts).map(({ packId }) => packId));
  if (packs.size === 0) return;
  await healFromCopies(parts, await markChunks(parts, packs));
}

/** @returns the names of those of which another copy is good */
async function markChunks(
  { index, store }: ContentParts,
  packs: ReadonlySet<number>,
): Promise<Buffer[]> {
  const twice: Buffer[] = [];
  let slice = index.slice(undefined, PLAN_SLICE_CHUNKS);
  while (slice.length > 0) {
    for (const { name, location } of slice) {
      if (!packs.has(location.packId)) continue;
      index.markBad(name);
      if (index.copies(hashOf(name)).some(({ good }) => good)) twice.push(name);
    }
    // What was written must not pile up in memory.
    await commitWhereRoom(store);
    await giveWay();
    slice = index.slice(slice[slice.length - 1].name, PLAN_SLICE_CHUNKS);
  }
  return twice;
}

async function healFromCopies(parts: ContentParts, names: Buffer[]): Promise<void> {
  if (names.length === 0) return;
  try {
    await heal(parts, names);
    await commitWhereRoom(parts.store);
  } catch (error) {
    // They are read from the other copies meanwhile, and scrub heals them.
    parts.log.warn({ err: error }, 'chunks of a removed tier were not healed');
  }
}

/** Part of the current transaction. */
export function forgetPacks(parts: ContentParts): void {
  for (const { packId } of lostPacks(parts)) parts.packs.forget(packId);
}

function lostPacks({ packs }: ContentParts): PackRecord[] {
  return [...packs.all()].filter(({ packId }) => packs.isRemoved(packId));
}
