/**
 * Copies what is live in the packs of one tier to another one, faster or slower, whichever recipes name it: so that the
 * first can be taken out of the volume. Recipes name chunks, not places, so nothing else changes.
 */
import type { CopyControl } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { freeOn, healLive, liveChunks } from './compaction.js';
import { contentError, errnoOf } from './errors.js';
import { MOVE_BATCH_RECORDS } from './limits.js';
import { moveChunks, type MovingChunk } from './moves.js';
import type { ContentParts } from './parts.js';
import type { PackRecord } from './records.js';

/** What is wrong with one pack, or its file. */
const READING = ['EIO', 'EBADMSG', 'ENOENT'];

/**
 * What is damaged and can't be healed stays, and its pack with it. @returns stored bytes moved. @throws ENOSPC; ECANCELED,
 * EIO where a disk went away: what has moved by then stays where it is
 */
export async function evacuate(
  parts: ContentParts,
  from: Tier,
  to: Tier,
  control?: CopyControl,
): Promise<number> {
  let moved = 0;
  let failure: unknown;
  for (const record of [...parts.packs.all()]) {
    if (record.tier !== from.id || record.live === 0) continue;
    try {
      moved += await evacuatePack(parts, record, to, control);
    } catch (error) {
      // A pack that can't be read is no reason to leave the others.
      if (!READING.includes(errnoOf(error) ?? '')) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return moved;
}

async function evacuatePack(
  parts: ContentParts,
  record: PackRecord,
  to: Tier,
  control?: CopyControl,
): Promise<number> {
  const moved = await copyPack(parts, record, to, control);
  // The copying finds damage.
  if (record.live === 0 || !(await healLive(parts, record))) return moved;
  return moved + (await copyPack(parts, record, to, control));
}

/** Nobody may remove the pack meanwhile. */
function copyPack(
  parts: ContentParts,
  { packId }: PackRecord,
  to: Tier,
  control?: CopyControl,
): Promise<number> {
  return parts.maintenance(async () => {
    if (control?.cancelled) throw contentError('ECANCELED', 'the packs are not moved any more');
    if (!parts.packs.readableTier(packId)) return 0;
    const { good } = await liveChunks(parts, packId);
    let moved = 0;
    for (let start = 0; start < good.length; start += MOVE_BATCH_RECORDS) {
      const batch = good.slice(start, start + MOVE_BATCH_RECORDS);
      checkRoom(parts, to, batch);
      moved += await moveChunks(parts, packId, batch, to, control);
    }
    return moved;
  });
}

function checkRoom(parts: ContentParts, to: Tier, chunks: readonly MovingChunk[]): void {
  const stored = chunks.reduce((sum, { from }) => sum + from.stored, 0);
  const free = freeOn(parts, to);
  if (stored < free) return;
  throw contentError('ENOSPC', `tier ${to.name} has ${free} bytes free, ${stored} are needed`);
}
