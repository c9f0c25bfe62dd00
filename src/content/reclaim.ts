/**
 * Gives space back, in slices between which everything else goes on:
 *
 * 1. Garbage recipes are settled: a segment goes, and its chunks lose their references, in one turn. Chunks
 *    without references leave the index. A segment with a chunk that a running job just found waits.
 * 2. Packs that are mostly dead, and many small ones, are compacted (`compaction.ts`).
 * 3. Packs without live chunks are doomed; when that is durable they are unlinked, then forgotten.
 */
import { compactPacks, isMostlyDead, type ReclaimState } from './compaction.js';
import { RECLAIM_SEGMENTS } from './limits.js';
import type { ContentParts } from './parts.js';
import { removeEmptyPacks } from './removal.js';
import { nameAt, type Segment } from './records.js';
import { giveWay } from './turns.js';
import type { ReclaimReport } from './types.js';
import { hashKey } from './uses.js';

export async function reclaim(parts: ContentParts, state: ReclaimState): Promise<ReclaimReport> {
  const report: ReclaimReport = {
    recipes: 0,
    chunksRemoved: 0,
    packsRemoved: 0,
    packsCompacted: 0,
    bytesMoved: 0,
    bytesFreed: 0,
  };
  await settleGarbage(parts, state, report);
  await endDeadPacks(parts);
  await removePacks(parts, state, report);
  await compactPacks(parts, state, report);
  await removePacks(parts, state, report);
  return report;
}

async function settleGarbage(
  parts: ContentParts,
  state: ReclaimState,
  report: ReclaimReport,
): Promise<void> {
  let budget = RECLAIM_SEGMENTS;
  for (const recipeId of parts.recipes.garbage()) {
    // One that was being built when the list was made may have been committed since.
    if (parts.building.has(recipeId) || !parts.recipes.isGarbage(recipeId)) continue;
    let left = parts.recipes.firstSegment(recipeId);
    while (left && budget > 0 && !state.closing && mayRelease(parts, left.chunks)) {
      settleSegment(parts, recipeId, left.segment, left.chunks, report);
      budget--;
      await giveWay();
      left = parts.recipes.firstSegment(recipeId);
    }
    if (budget === 0 || state.closing) return;
    if (left) continue;
    parts.recipes.settled(recipeId);
    report.recipes++;
  }
}

function mayRelease({ uses }: ContentParts, chunks: Segment): boolean {
  for (let i = 0; i < chunks.lengths.length; i++) {
    if (!chunks.zero[i] && uses.hasChunk(nameAt(chunks, i))) return false;
  }
  return true;
}

/** One turn: the segment and its references go together. */
function settleSegment(
  { recipes, index }: ContentParts,
  recipeId: number,
  segment: number,
  chunks: Segment,
  report: ReclaimReport,
): void {
  const times = new Map<string, { name: Buffer; count: number }>();
  for (let i = 0; i < chunks.lengths.length; i++) {
    if (chunks.zero[i]) continue;
    const name = nameAt(chunks, i);
    const known = times.get(hashKey(name));
    if (known) known.count++;
    else times.set(hashKey(name), { name, count: 1 });
  }
  for (const { name, count } of times.values()) {
    if (index.release(name, count)) report.chunksRemoved++;
  }
  recipes.removeSegment(recipeId, segment);
}

/** An open pack that is mostly dead is no longer written, so that it can go. */
async function endDeadPacks({ writers, packs, uses }: ContentParts): Promise<void> {
  for (const packId of writers.openPacks()) {
    const record = packs.get(packId);
    const isUsed = (): boolean => uses.hasPack(packId) || record?.live !== 0;
    if (!record || uses.hasPack(packId) || !isMostlyDead(record)) continue;
    // A seal takes space, and where that has run out an empty pack must be able to go.
    if (record.live === 0) await writers.abandon(packId, isUsed);
    else await writers.seal(packId);
  }
}

function removePacks(
  parts: ContentParts,
  state: ReclaimState,
  report: ReclaimReport,
): Promise<void> {
  return parts.maintenance(async () => {
    for (const { packId, size } of await removeEmptyPacks(parts, () => state.closing)) {
      report.packsRemoved++;
      report.bytesFreed += size;
      state.stuck.delete(packId);
    }
  });
}
