/**
 * Heals damaged chunks: from the parity of their pack, or else from another copy, where a chunk was stored more than
 * once. What is copied is verified (`moves.ts`), and durable before the index points to it.
 */
import { hashOf } from './names.js';
import { moveChunks, type MovingChunk } from './moves.js';
import { mend } from './parity.js';
import type { ContentParts } from './parts.js';

/** @returns the names that are good now. @throws ENOSPC and others of writing */
export async function heal(parts: ContentParts, names: Buffer[]): Promise<Buffer[]> {
  const { index, packs, tiers } = parts;
  if (tiers.readOnly) return [];
  await mend(parts, names);
  for (const name of names) {
    await parts.maintenance(async () => {
      const chunk = healable(parts, name);
      if (!chunk?.instead) return;
      // Of a tier that the volume has no more it goes to where the copy is.
      const place = packs.isRemoved(chunk.instead.packId) ? chunk.from : chunk.instead;
      const tier = packs.readableTier(place.packId);
      if (tier) await moveChunks(parts, chunk.from.packId, [chunk], tier);
    });
  }
  return names.filter((name) => index.hit(name) !== undefined);
}

/** @returns whether the chunk is good where it is: who reads it there can go on */
export async function healInPlace(parts: ContentParts, name: Buffer): Promise<boolean> {
  const before = parts.index.get(name);
  if (!before) return false;
  await heal(parts, [name]);
  const now = parts.index.get(name);
  return now?.bad === false && now.packId === before.packId && now.offset === before.offset;
}

function healable({ index }: ContentParts, name: Buffer): MovingChunk | undefined {
  const instead = index.get(name);
  if (!instead?.bad) return undefined;
  const copy = index.copies(hashOf(name)).find(({ good }) => good);
  return copy && { name, from: copy.location, instead };
}
