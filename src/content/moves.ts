/**
 * Copies records from one pack to another and points their chunks to the copies: how a recipe gets to
 * another tier and how a mostly dead pack is compacted. The copies are durable before the index changes.
 */
import type { CopyControl } from '../native.js';
import type { Tier } from '../tiers/types.js';
import type { Place } from './chunk-index.js';
import { errnoOf } from './errors.js';
import type { Appended } from './tier-writer.js';
import type { ContentParts } from './parts.js';
import type { ChunkLocation } from './types.js';
import type { Use } from './uses.js';

export interface MovingChunk {
  name: Buffer;
  from: ChunkLocation;
  /** Where the index has it, if that is not what is copied. */
  instead?: ChunkLocation;
}

/**
 * Moves chunks that lie in one pack. The caller holds the maintenance lock. A record that is damaged or can't be
 * read is marked bad and stays. @returns stored bytes moved. @throws ENOSPC; EIO where the source's disk went away;
 * ECANCELED, then these chunks, or some of them, stay
 */
export async function moveChunks(
  parts: ContentParts,
  sourcePack: number,
  chunks: MovingChunk[],
  target: Tier,
  control?: CopyControl,
): Promise<number> {
  const use = parts.uses.begin();
  try {
    const sorted = [...chunks].sort((a, b) => a.from.offset - b.from.offset);
    return await moveSorted(parts, sourcePack, sorted, target, use, control);
  } finally {
    parts.uses.end(use);
  }
}

async function moveSorted(
  parts: ContentParts,
  sourcePack: number,
  chunks: MovingChunk[],
  target: Tier,
  use: Use,
  control?: CopyControl,
): Promise<number> {
  try {
    const copied = await copyChunks(parts, sourcePack, chunks, target, use, control);
    await parts.writers.sync([copied.packId]);
    return switchChunks(parts, chunks, copied);
  } catch (error) {
    if (errnoOf(error) !== 'EBADMSG') throw error;
    if (chunks.length === 1) return await noteDamage(parts, sourcePack, chunks[0]);
    const half = chunks.length >> 1;
    const [one, other] = [chunks.slice(0, half), chunks.slice(half)];
    const first = await moveSorted(parts, sourcePack, one, target, use, control);
    return first + (await moveSorted(parts, sourcePack, other, target, use, control));
  }
}

function copyChunks(
  { writers, packs }: ContentParts,
  sourcePack: number,
  chunks: MovingChunk[],
  target: Tier,
  use: Use,
  control?: CopyControl,
): Promise<Appended> {
  const offsets = Float64Array.from(chunks, ({ from }) => from.offset);
  const stored = Uint32Array.from(chunks, ({ from }) => from.stored);
  const source = { path: packs.path(sourcePack), packId: sourcePack };
  return writers.copy(target, source, offsets, stored, use, control);
}

/** One turn. A chunk that changed its place meanwhile keeps it; its copy is dead space. */
function switchChunks({ index }: ContentParts, chunks: MovingChunk[], copied: Appended): number {
  let moved = 0;
  chunks.forEach(({ name, from, instead }, i) => {
    const to: Place = {
      packId: copied.packId,
      offset: copied.offsets[i],
      stored: copied.stored[i],
      length: from.length,
    };
    if (index.move(name, instead ?? from, to)) moved += to.stored;
  });
  return moved;
}

/** @throws EIO where the source's disk went away: to a read that is one damaged sector after the other. */
async function noteDamage(
  { tiers, packs, index, log }: ContentParts,
  pack: number,
  { name, instead }: MovingChunk,
): Promise<number> {
  await tiers.refresh();
  packs.path(pack);
  // Of another copy scrub will say so.
  if (!instead) index.markBad(name);
  log.error({ pack, chunk: name.toString('hex') }, 'a chunk is damaged and was not moved');
  return 0;
}
