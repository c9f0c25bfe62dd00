/** How much of the packs is dead, and why it stays: records that no recipe names, in packs that are there all the same. */
import { freeOn, isMostlyDead, type ReclaimState } from './compaction.js';
import { COUNT_DEAD_FROM, PACK_FRAME_BYTES } from './limits.js';
import type { ContentParts } from './parts.js';
import { scanOwn } from './packs.js';
import type { PackRecord } from './records.js';
import { isAtRest } from './removal.js';
import type { FullReclaimReport, NoRoom } from './types.js';

type DeadSpace = Pick<FullReclaimReport, 'deadBytes' | 'noRoom' | 'deadBesideDamage'>;

/** Reads the index of each pack that is worth it; one that can't be read is left out, and logged. */
export async function countDead(parts: ContentParts, state: ReclaimState): Promise<DeadSpace> {
  const found: DeadSpace = { deadBytes: 0, noRoom: [], deadBesideDamage: 0 };
  for (const record of [...parts.packs.all()]) {
    const dead = await deadIn(parts, record);
    found.deadBytes += dead;
    if (dead === 0 || !isMostlyDead(record)) continue;
    if (parts.packs.isStuck(record.packId)) found.deadBesideDamage += dead;
    else addShort(parts, state, record, dead, found.noRoom);
  }
  return found;
}

function addShort(
  parts: ContentParts,
  { short }: ReclaimState,
  { packId, live: neededBytes }: PackRecord,
  deadBytes: number,
  noRoom: NoRoom[],
): void {
  const tier = parts.packs.readableTier(packId);
  const freeBytes = freeOn(parts, tier);
  if (!tier || (neededBytes <= freeBytes && !short.has(packId))) return;
  const others = noRoom.find(({ tier: name }) => name === tier.name);
  if (!others) return void noRoom.push({ tier: tier.name, deadBytes, neededBytes, freeBytes });
  others.deadBytes += deadBytes;
  others.neededBytes = Math.min(others.neededBytes, neededBytes);
}

/** Stored bytes. */
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
