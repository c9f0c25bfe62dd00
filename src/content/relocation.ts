/** Brings every chunk of one recipe to one tier. Chunks that other recipes name too come along. */
import type { CopyControl } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { contentError } from './errors.js';
import { moveChunks, type MovingChunk } from './moves.js';
import type { ContentParts } from './parts.js';
import { segmentsOf } from './plans.js';
import { nameAt, type Segment } from './records.js';
import { hashKey } from './uses.js';

/**
 * May be cancelled: whoever wants to write to the file waits for that. What has moved by then stays where it is.
 * @returns stored bytes moved. @throws ENOENT without a recipe, ENOSPC, ECANCELED
 */
export async function relocate(
  parts: ContentParts,
  ino: number,
  tier: Tier,
  control?: CopyControl,
): Promise<number> {
  const head = parts.recipes.head(ino);
  if (!head) throw contentError('ENOENT', `inode ${ino} has no recipe`);
  let moved = 0;
  for (const segment of segmentsOf(parts.recipes, head)) {
    checkCancelled(control);
    moved += await parts.maintenance(() => relocateSegment(parts, segment, tier, control));
    if (parts.recipes.head(ino)?.recipeId !== head.recipeId) break;
  }
  return moved;
}

function checkCancelled(control: CopyControl | undefined): void {
  if (control?.cancelled) throw contentError('ECANCELED', 'the relocation was cancelled');
}

async function relocateSegment(
  parts: ContentParts,
  segment: Segment,
  tier: Tier,
  control?: CopyControl,
): Promise<number> {
  let moved = 0;
  for (const [pack, chunks] of elsewhere(parts, segment, tier)) {
    checkCancelled(control);
    moved += await moveChunks(parts, pack, chunks, tier, control);
  }
  return moved;
}

/** The segment's chunks on other tiers that can be read, by pack. */
function elsewhere(
  { index, packs }: ContentParts,
  segment: Segment,
  tier: Tier,
): Map<number, MovingChunk[]> {
  const byPack = new Map<number, MovingChunk[]>();
  const seen = new Set<string>();
  for (let i = 0; i < segment.lengths.length; i++) {
    const name = nameAt(segment, i);
    if (segment.zero[i] || seen.has(hashKey(name))) continue;
    seen.add(hashKey(name));
    const from = index.hit(name);
    if (!from || packs.get(from.packId)?.tier === tier.id) continue;
    const chunks = byPack.get(from.packId) ?? [];
    chunks.push({ name, from });
    byPack.set(from.packId, chunks);
  }
  return byPack;
}
