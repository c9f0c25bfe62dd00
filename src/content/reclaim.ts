/**
 * Gives space back, in slices between which everything else goes on:
 *
 * 1. Garbage recipes are settled: a segment goes, and its chunks lose their references, in one turn. Chunks
 *    without references leave the index. A segment with a chunk that a running job just found waits.
 * 2. Packs that are mostly dead, and many small ones, are compacted (`compaction.ts`).
 * 3. Packs without live chunks are doomed; when that is durable they are unlinked, then forgotten.
 */
import { compactPacks, isMostlyDead, type ReclaimState, type Scope } from './compaction.js';
import { countDead } from './dead-space.js';
import { RECLAIM_SEGMENTS } from './limits.js';
import type { ContentParts } from './parts.js';
import { removeEmptyPacks } from './removal.js';
import { nameAt, type Segment } from './records.js';
import { giveWay, type Lock } from './turns.js';
import type { FullReclaimReport, ReclaimReport } from './types.js';
import { hashKey } from './uses.js';

const EVERYTHING: Scope = { hasRecipe: () => true, hasPack: () => true };

/** A bounded part of the work. */
export async function reclaim(
  parts: ContentParts,
  state: ReclaimState,
  scope = EVERYTHING,
): Promise<ReclaimReport> {
  const report: ReclaimReport = {
    recipes: 0,
    chunksRemoved: 0,
    packsRemoved: 0,
    packsCompacted: 0,
    bytesMoved: 0,
    bytesFreed: 0,
  };
  await settleGarbage(parts, state, scope, report);
  await endDeadPacks(parts);
  await removePacks(parts, state, report);
  await compactPacks(parts, state, scope, report);
  await removePacks(parts, state, report);
  return report;
}

/**
 * All that there is now, in turns with other calls. It ends, whatever happens meanwhile: each recipe that is in the
 * garbage now is settled once and each pack that is there now is compacted once, and neither comes back.
 */
export async function reclaimAll(
  parts: ContentParts,
  state: ReclaimState,
  inTurn: Lock,
): Promise<FullReclaimReport> {
  const scope = presentScope(parts);
  // Who asks for it may have made room just now.
  state.noRoomUntil.clear();
  const total = await inTurn(() => reclaim(parts, state, scope));
  for (let round = total; didSomething(round);) {
    round = await inTurn(() => reclaim(parts, state, scope));
    for (const key of Object.keys(total) as (keyof ReclaimReport)[]) total[key] += round[key];
  }
  return { ...total, ...(await inTurn(() => countDead(parts, state))) };
}

function presentScope({ recipes, packs }: ContentParts): Scope {
  const garbage = new Set(recipes.garbage());
  const present = new Set(Array.from(packs.all(), ({ packId }) => packId));
  return { hasRecipe: (id) => garbage.has(id), hasPack: (id) => present.has(id) };
}

/** Packs that are removed follow from the rest. */
function didSomething({ recipes, chunksRemoved, packsCompacted }: ReclaimReport): boolean {
  return recipes + chunksRemoved + packsCompacted > 0;
}

async function settleGarbage(
  parts: ContentParts,
  state: ReclaimState,
  scope: Scope,
  report: ReclaimReport,
): Promise<void> {
  let budget = RECLAIM_SEGMENTS;
  for (const recipeId of parts.recipes.garbage()) {
    if (!scope.hasRecipe(recipeId)) continue;
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
  recipes.removeSegment(recipeId, segment, chunks);
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
    for (const { size } of await removeEmptyPacks(parts, () => state.closing)) {
      report.packsRemoved++;
      report.bytesFreed += size;
    }
  });
}
