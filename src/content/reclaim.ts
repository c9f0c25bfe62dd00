/**
 * Gives space back, in slices between which everything else goes on:
 *
 * 1. Garbage recipes are settled: a segment goes, and its chunks lose their references, in one turn. Chunks
 *    without references leave the index. A segment with a chunk that a running job just found waits.
 * 2. Packs that are mostly dead are compacted: what is live is copied to the tier's open pack.
 * 3. Packs without live chunks are doomed; when that is durable they are unlinked, then forgotten.
 */
import { native } from '../native.js';
import { errnoOf } from './errors.js';
import { COMPACT_BELOW, MOVE_BATCH_RECORDS, RECLAIM_PACKS, RECLAIM_SEGMENTS } from './limits.js';
import { moveChunks, type MovingChunk } from './moves.js';
import type { ContentParts } from './parts.js';
import { isAtRest, removeEmptyPacks } from './removal.js';
import { hashAt, type PackRecord, type Segment } from './records.js';
import { giveWay } from './turns.js';
import type { ReclaimReport } from './types.js';
import { hashKey } from './uses.js';

/** After a compaction failed for want of space, none is tried for this long. Milliseconds. */
const NO_ROOM_MS = 60_000;

/** What calls share. */
export interface ReclaimState {
  /** Packs that can't be compacted, for their live chunks are damaged; not tried again. */
  stuck: Set<number>;
  /** Milliseconds since the epoch. */
  noRoomUntil: number;
  closing: boolean;
}

export async function reclaim(parts: ContentParts, state: ReclaimState): Promise<ReclaimReport> {
  const report: ReclaimReport = {
    recipes: 0,
    chunksRemoved: 0,
    packsRemoved: 0,
    packsCompacted: 0,
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

function mayRelease({ uses }: ContentParts, { hashes, lengths, zero }: Segment): boolean {
  for (let i = 0; i < lengths.length; i++) {
    if (!zero[i] && uses.hasHash(hashAt(hashes, i))) return false;
  }
  return true;
}

/** One turn: the segment and its references go together. */
function settleSegment(
  { recipes, index }: ContentParts,
  recipeId: number,
  segment: number,
  { hashes, lengths, zero }: Segment,
  report: ReclaimReport,
): void {
  const times = new Map<string, { hash: Buffer; count: number }>();
  for (let i = 0; i < lengths.length; i++) {
    if (zero[i]) continue;
    const hash = hashAt(hashes, i);
    const known = times.get(hashKey(hash));
    if (known) known.count++;
    else times.set(hashKey(hash), { hash, count: 1 });
  }
  for (const { hash, count } of times.values()) {
    if (index.release(hash, count)) report.chunksRemoved++;
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

function isMostlyDead(record: PackRecord): boolean {
  return record.live < record.size * COMPACT_BELOW;
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

async function compactPacks(
  parts: ContentParts,
  state: ReclaimState,
  report: ReclaimReport,
): Promise<void> {
  if (Date.now() < state.noRoomUntil) return;
  const candidates = [...parts.packs.all()]
    .filter((record) => isMostlyDead(record) && record.live > 0 && isAtRest(parts, record))
    .filter(({ packId }) => !state.stuck.has(packId))
    .sort((a, b) => a.live / a.size - b.live / b.size)
    .slice(0, RECLAIM_PACKS);
  for (const record of candidates) {
    if (state.closing || Date.now() < state.noRoomUntil) return;
    try {
      await parts.maintenance(() => compactPack(parts, state, record, report));
    } catch (error) {
      parts.log.warn({ pack: record.packId, err: error }, 'a pack could not be compacted');
      if (errnoOf(error) !== 'ENOSPC') state.stuck.add(record.packId);
      else state.noRoomUntil = Date.now() + NO_ROOM_MS;
    }
  }
}

async function compactPack(
  parts: ContentParts,
  state: ReclaimState,
  record: PackRecord,
  report: ReclaimReport,
): Promise<void> {
  const tier = parts.packs.readableTier(record.packId);
  if (!tier || !isAtRest(parts, record) || record.live === 0) return;
  if (parts.tiers.usage(tier).free < record.live) return;
  const live = await liveChunks(parts, record.packId);
  for (let start = 0; start < live.length && !state.closing; start += MOVE_BATCH_RECORDS) {
    const batch = live.slice(start, start + MOVE_BATCH_RECORDS);
    report.bytesFreed -= await moveChunks(parts, record.packId, batch, tier);
  }
  if (record.live === 0) report.packsCompacted++;
  else if (!state.closing) state.stuck.add(record.packId);
}

/** The chunks that lie in a pack by the index, as its own records tell; damaged ones are left out. */
export async function liveChunks(
  { index, packs }: Pick<ContentParts, 'index' | 'packs'>,
  packId: number,
): Promise<MovingChunk[]> {
  const scan = await native.scanPack(packs.path(packId), false);
  const live: MovingChunk[] = [];
  for (let i = 0; i < scan.count; i++) {
    const hash = hashAt(scan.hashes, i);
    const from = index.get(hash);
    const here = from?.packId === packId && from.offset === scan.offsets[i];
    if (from && here && !from.bad) live.push({ hash, from });
    if (i % MOVE_BATCH_RECORDS === MOVE_BATCH_RECORDS - 1) await giveWay();
  }
  return live;
}
