/** How much of the packs is dead: records that no recipe names, in packs that are not compacted for them yet. */
import { COUNT_DEAD_FROM, PACK_FRAME_BYTES } from './limits.js';
import type { ContentParts } from './parts.js';
import { scanOwn } from './packs.js';
import type { PackRecord } from './records.js';
import { isAtRest } from './removal.js';

/** Stored bytes. Reads the index of each pack that is worth it; one that can't be read is left out, and logged. */
export async function countDead(parts: ContentParts): Promise<number> {
  let dead = 0;
  for (const record of [...parts.packs.all()]) dead += await deadIn(parts, record);
  return dead;
}

async function deadIn(parts: ContentParts, record: PackRecord): Promise<number> {
  const { packs, writers, uses, log } = parts;
  const { packId } = record;
  // Also in the pack that is being written, unless a job's records are there that the index does not know yet.
  if (!isAtRest(parts, record) && !(writers.isWriting(packId) && !uses.hasPack(packId))) return 0;
  const notLive = (): number => record.size - PACK_FRAME_BYTES - record.live;
  if (notLive() < record.size * COUNT_DEAD_FROM) return 0;
  try {
    const { stored } = await scanOwn(parts, packId);
    const records = stored.reduce((sum, bytes) => sum + bytes, 0);
    return packs.get(packId) === record ? Math.max(0, records - record.live) : 0;
  } catch (error) {
    log.warn({ pack: packId, err: error }, 'what is dead in a pack could not be counted');
    return 0;
  }
}
