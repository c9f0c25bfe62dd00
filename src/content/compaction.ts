/**
 * Copies what is live in a pack to its tier's open pack, so that the pack can go. How much is written for it is
 * bounded:
 *
 * - a pack that is mostly dead gives back more than is copied, or, where what is live depends on what is dead (chains),
 *   no more than that again;
 * - small packs, such as each unmount leaves one, are merged where a tier has many of about one size. The
 *   next merge of the same bytes is among packs so many times larger, up to those that are large enough.
 */
import { errnoOf } from './errors.js';
import {
  COMPACT_BELOW,
  MERGE_BELOW_BYTES,
  MERGE_PACKS,
  MOVE_BATCH_RECORDS,
  PACK_FRAME_BYTES,
  RECLAIM_PACKS,
} from './limits.js';
import { moveChunks, type MovingChunk } from './moves.js';
import type { ContentParts } from './parts.js';
import { scanOwn } from './packs.js';
import { isAtRest } from './removal.js';
import { hashAt, type PackRecord } from './records.js';
import { giveWay } from './turns.js';
import type { ReclaimReport } from './types.js';

/** What may be taken up: everything, or what was there at some time. */
export interface Scope {
  hasRecipe(recipeId: number): boolean;
  hasPack(packId: number): boolean;
}

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

/** What every pack has is not dead: of a pack with one small file a copy would be as large. */
export function isMostlyDead({ live, size }: PackRecord): boolean {
  return live === 0 || live < (size - PACK_FRAME_BYTES) * COMPACT_BELOW;
}

/** Those that gain most first; without any, a whole merge, since a part of one would gain nothing. */
function packsToCompact(packs: PackRecord[]): PackRecord[] {
  const dead = packs.filter(isMostlyDead).sort((a, b) => a.live / a.size - b.live / b.size);
  return dead.length > 0 ? dead.slice(0, RECLAIM_PACKS) : packsToMerge(packs);
}

/** The packs of one merge, or none. */
function packsToMerge(packs: PackRecord[]): PackRecord[] {
  const bySize = new Map<string, PackRecord[]>();
  for (const pack of packs) {
    if (pack.size >= MERGE_BELOW_BYTES) continue;
    const size = `${pack.tier}/${Math.floor(Math.log(pack.size) / Math.log(MERGE_PACKS))}`;
    bySize.set(size, [...(bySize.get(size) ?? []), pack]);
  }
  const same = [...bySize.values()].find(({ length }) => length >= MERGE_PACKS);
  return same?.slice(0, MERGE_PACKS) ?? [];
}

export async function compactPacks(
  parts: ContentParts,
  state: ReclaimState,
  scope: Scope,
  report: ReclaimReport,
): Promise<void> {
  if (Date.now() < state.noRoomUntil) return;
  const candidates = packsToCompact(
    [...parts.packs.all()].filter(
      (record) =>
        scope.hasPack(record.packId) &&
        !state.stuck.has(record.packId) &&
        canCompact(parts, record),
    ),
  );
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

function canCompact(parts: ContentParts, record: PackRecord): boolean {
  const tier = parts.packs.readableTier(record.packId);
  if (!tier || !isAtRest(parts, record)) return false;
  return record.live > 0 && record.live <= parts.tiers.usage(tier).free;
}

async function compactPack(
  parts: ContentParts,
  state: ReclaimState,
  record: PackRecord,
  report: ReclaimReport,
): Promise<void> {
  const tier = parts.packs.readableTier(record.packId);
  if (!tier || !canCompact(parts, record)) return;
  const live = await liveChunks(parts, record.packId);
  /** How much longer the copies are: what is live in a chain takes along what it needs of what is dead there. */
  let growth = 1;
  for (let start = 0; start < live.length && !state.closing; start += MOVE_BATCH_RECORDS) {
    const batch = live.slice(start, start + MOVE_BATCH_RECORDS);
    const stored = batch.reduce((sum, { from }) => sum + from.stored, 0);
    // The pack is still there: what is free must not go for copies that nothing is gained by yet.
    if (stored * growth > parts.tiers.usage(tier).free) return;
    const moved = await moveChunks(parts, record.packId, batch, tier);
    growth = Math.max(growth, moved / stored);
    report.bytesMoved += moved;
    report.bytesFreed -= moved;
  }
  if (record.live === 0) report.packsCompacted++;
  else if (!state.closing) state.stuck.add(record.packId);
}

/** The chunks that lie in a pack by the index, as its own records tell; damaged ones are left out. */
async function liveChunks(parts: ContentParts, packId: number): Promise<MovingChunk[]> {
  const { index } = parts;
  const scan = await scanOwn(parts, packId);
  const live: MovingChunk[] = [];
  for (let i = 0; i < scan.count; i++) {
    const found = index.inRecord(hashAt(scan.hashes, i), packId, scan.offsets[i]);
    if (found && !found.location.bad) live.push({ name: found.name, from: found.location });
    if (i % MOVE_BATCH_RECORDS === MOVE_BATCH_RECORDS - 1) await giveWay();
  }
  return live;
}
