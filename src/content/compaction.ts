/**
 * Copies what is live in a pack to its tier's open pack, so that the pack can go. How much is written for it is
 * bounded:
 *
 * - a pack that is mostly dead gives back more than is copied, or, where what is live depends on what is dead (chains),
 *   no more than that again;
 * - small packs, such as each unmount leaves one, are merged where a tier has many of about one size. The
 *   next merge of the same bytes is among packs so many times larger, up to those that are large enough.
 */
import type { Tier } from '../tiers/types.js';
import { errnoOf } from './errors.js';
import { heal } from './healing.js';
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

/** After a compaction failed for want of space, none is tried on its tier for this long. Milliseconds. */
const NO_ROOM_MS = 60_000;

/** What calls share. */
export interface ReclaimState {
  /** By the id of the tier, milliseconds since the epoch. */
  noRoomUntil: Map<number, number>;
  /** Packs for whose rest there was less room than it took, when that was tried last. */
  short: Set<number>;
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
  const candidates = packsToCompact(
    [...parts.packs.all()].filter(
      (record) =>
        scope.hasPack(record.packId) &&
        !parts.packs.isStuck(record.packId) &&
        mayTry(state, record) &&
        canCompact(parts, record),
    ),
  );
  for (const record of candidates) {
    if (state.closing) return;
    if (!mayTry(state, record)) continue;
    try {
      await compactPack(parts, state, record, report);
    } catch (error) {
      parts.log.warn({ pack: record.packId, err: error }, 'a pack could not be compacted');
      if (errnoOf(error) === 'ENOSPC') noteNoRoom(state, record);
      else await noteStuck(parts, record);
    }
  }
}

function mayTry({ noRoomUntil }: ReclaimState, { tier }: PackRecord): boolean {
  return Date.now() >= (noRoomUntil.get(tier) ?? 0);
}

function noteNoRoom({ noRoomUntil, short }: ReclaimState, { tier, packId }: PackRecord): void {
  noRoomUntil.set(tier, Date.now() + NO_ROOM_MS);
  short.add(packId);
}

/** Unless its tier went away: then there may be nothing wrong with it. */
async function noteStuck({ packs, tiers }: ContentParts, { packId }: PackRecord): Promise<void> {
  await tiers.refresh();
  if (packs.readableTier(packId)) packs.setStuck(packId);
}

function canCompact(parts: ContentParts, record: PackRecord): boolean {
  const tier = parts.packs.readableTier(record.packId);
  return isAtRest(parts, record) && record.live > 0 && record.live <= freeOn(parts, tier);
}

/** Bytes that copies can take. */
export function freeOn({ tiers }: ContentParts, tier: Tier | undefined): number {
  return tier ? tiers.usage(tier).free : 0;
}

/** What is damaged in it is healed once the rest was copied: that may help, and the copying finds damage. */
async function compactPack(
  parts: ContentParts,
  state: ReclaimState,
  record: PackRecord,
  report: ReclaimReport,
): Promise<void> {
  let isDone = await copyLive(parts, state, record, report);
  if (isDone && record.live > 0 && (await healLive(parts, record))) {
    isDone = await copyLive(parts, state, record, report);
  }
  if (record.live === 0) report.packsCompacted++;
  else if (isDone) await noteStuck(parts, record);
}

/** @returns whether all was copied that can be; false where that is to be tried again */
async function copyLive(
  parts: ContentParts,
  state: ReclaimState,
  record: PackRecord,
  report: ReclaimReport,
): Promise<boolean> {
  return parts.maintenance(async () => {
    const tier = parts.packs.readableTier(record.packId);
    if (!tier || !canCompact(parts, record)) return false;
    state.short.delete(record.packId);
    const { good } = await liveChunks(parts, record.packId);
    /** How much longer the copies are: what is live in a chain takes along what it needs of what is dead there. */
    let growth = 1;
    for (let start = 0; start < good.length && !state.closing; start += MOVE_BATCH_RECORDS) {
      const batch = good.slice(start, start + MOVE_BATCH_RECORDS);
      const stored = batch.reduce((sum, { from }) => sum + from.stored, 0);
      // The pack is still there: what is free must not go for copies that nothing is gained by yet.
      if (stored * growth > freeOn(parts, tier)) {
        state.short.add(record.packId);
        return false;
      }
      const moved = await moveChunks(parts, record.packId, batch, tier);
      growth = Math.max(growth, moved / stored);
      report.bytesMoved += moved;
      report.bytesFreed -= moved;
    }
    return !state.closing;
  });
}

/** Heals what is damaged in a pack. @returns whether something is good now */
export async function healLive(parts: ContentParts, { packId }: PackRecord): Promise<boolean> {
  const { bad } = await parts.maintenance(() => liveChunks(parts, packId));
  return (await heal(parts, bad)).length > 0;
}

/** The chunks that lie in a pack by the index, as its own records tell, and the names of those that are damaged. */
export async function liveChunks(
  parts: ContentParts,
  packId: number,
): Promise<{ good: MovingChunk[]; bad: Buffer[] }> {
  const { index } = parts;
  const scan = await scanOwn(parts, packId);
  const good: MovingChunk[] = [];
  const bad: Buffer[] = [];
  for (let i = 0; i < scan.count; i++) {
    const found = index.inRecord(hashAt(scan.hashes, i), packId, scan.offsets[i]);
    if (found?.location.bad) bad.push(found.name);
    else if (found) good.push({ name: found.name, from: found.location });
    if (i % MOVE_BATCH_RECORDS === MOVE_BATCH_RECORDS - 1) await giveWay();
  }
  return { good, bad };
}
