/**
 * Removes packs that hold nothing live. The counter says which; the pack's own records are looked up before
 * it is believed, because a wrong counter must never cost data.
 *
 * 1. doomed in the catalogue, and that is durable;
 * 2. unlinked; 3. forgotten.
 */
import type { PackScan } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { PLAN_SLICE_CHUNKS } from './limits.js';
import type { ContentParts } from './parts.js';
import { isGone, scanOwn } from './packs.js';
import { hashAt, type PackRecord } from './records.js';
import { giveWay } from './turns.js';

/**
 * The caller holds the maintenance lock.
 * @returns the records of the packs that are gone
 */
export async function removeEmptyPacks(
  parts: ContentParts,
  isClosing: () => boolean,
): Promise<PackRecord[]> {
  await forgetLost(parts);
  for (const record of [...parts.packs.all()]) {
    if (isClosing()) return [];
    if (isEmpty(parts, record)) await doom(parts, record);
  }
  const doomed = [...parts.packs.all()].filter(({ state }) => state === 'doomed');
  if (doomed.length === 0) return [];
  await parts.store.commit();
  const gone: PackRecord[] = [];
  for (const record of doomed) {
    if (isClosing()) break;
    if (await bury(parts, record.packId)) gone.push(record);
  }
  await parts.store.commit();
  return gone;
}

/**
 * A lost pack in which nothing is live: nobody misses it, and the next start would forget it too. It is not doomed: where
 * its file comes back after all, that is read before it may go.
 */
async function forgetLost({ packs, tiers, writers, uses, log }: ContentParts): Promise<void> {
  const mayGo = ({ packId, live }: PackRecord): boolean =>
    live === 0 && !writers.isWriting(packId) && !uses.hasPack(packId) && packs.hasNoFile(packId);
  if (![...packs.all()].some(mayGo)) return;
  await tiers.refresh();
  for (const { packId } of [...packs.all()].filter(mayGo)) {
    packs.forget(packId);
    log.info({ pack: packId }, 'a lost pack is forgotten: no file needs anything in it any more');
  }
}

/** Unlinks a pack whose doom is durable. @returns false where that failed, which is logged */
export async function bury(parts: ContentParts, packId: number): Promise<boolean> {
  const { packs } = parts;
  if (!packs.readableTier(packId)) return false;
  try {
    await packs.bury(packId);
    return true;
  } catch (error) {
    await noteStays(parts, packId, error, 'an empty pack could not be removed');
    return false;
  }
}

/** Where its tier is not there the tier's own complaint says so, and the pack waits for it. */
async function noteStays(
  { packs, tiers, log }: ContentParts,
  packId: number,
  error: unknown,
  text: string,
): Promise<void> {
  // What is known of the tier may be a minute old.
  await tiers.refresh();
  if (packs.presentTier(packId)) log.warn({ pack: packId, err: error }, text);
}

/** Nobody appends to it and no job relies on records in it that the index does not know. */
export function isAtRest(
  { packs, writers, uses }: ContentParts,
  { packId, state }: PackRecord,
): boolean {
  return (
    (state === 'sealed' || state === 'open') &&
    !writers.isWriting(packId) &&
    !uses.hasPack(packId) &&
    isWritable(packs.readableTier(packId))
  );
}

function isWritable(tier: Tier | undefined): boolean {
  return tier !== undefined && tier.state !== 'read-only';
}

function isEmpty(parts: ContentParts, record: PackRecord): boolean {
  return record.live === 0 && isAtRest(parts, record);
}

/** Marks a pack for removal, if the index really has nothing in it. */
export async function doom(parts: ContentParts, record: PackRecord): Promise<void> {
  const { packs, log } = parts;
  const { packId } = record;
  try {
    const live = await countLive(parts, packId, await scanFile(parts, packId));
    // One turn from here on.
    if (!isEmpty(parts, record)) return;
    if (live === 0) return packs.setState(packId, 'doomed');
    packs.addLive(packId, live);
    log.error({ pack: packId, live }, 'a pack counted as empty has live chunks; it stays');
  } catch (error) {
    const text = 'a pack that counts as empty could not be read; it stays';
    await noteStays(parts, packId, error, text);
  }
}

/** Undefined where the pack has no file any more. */
async function scanFile(parts: ContentParts, packId: number): Promise<PackScan | undefined> {
  try {
    return await scanOwn(parts, packId);
  } catch (error) {
    if (isGone(error, parts.packs.path(packId))) return undefined;
    throw error;
  }
}

/** Stored bytes of a pack's records that the index points to. */
export async function countLive(
  { index }: Pick<ContentParts, 'index'>,
  packId: number,
  scan: PackScan | undefined,
): Promise<number> {
  let live = 0;
  for (let i = 0; scan && i < scan.count; i++) {
    if (index.inRecord(hashAt(scan.hashes, i), packId, scan.offsets[i])) live += scan.stored[i];
    if (i % PLAN_SLICE_CHUNKS === PLAN_SLICE_CHUNKS - 1) await giveWay();
  }
  return live;
}
