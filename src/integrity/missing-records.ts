/**
 * Chunks that the index has in a pack and a scan of the pack does not: records of which not even the header is
 * left, where the pack's own index is gone too, or another pack that lies in its place.
 */
import { findInRecord, sliceChunks } from '../content/chunk-index.js';
import { hashOf } from '../content/names.js';
import { hashAt, type PackRecord } from '../content/records.js';
import { giveWay } from '../content/turns.js';
import { hashKey } from '../content/uses.js';
import type { PackScan } from '../native.js';
import type { Store } from '../store/types.js';

const SLICE = 2000;

/**
 * Calls `found` in the turn in which the index has the chunk there. `before` is the pack as it was before the scan:
 * what was appended since need not be in it.
 */
export async function findMissing(
  store: Store,
  before: PackRecord,
  scan: PackScan,
  found: (name: Buffer) => void,
): Promise<void> {
  // The whole index is walked only where something is missing.
  if ((await liveBytes(store, before, scan)) >= before.live) return;
  const there = new Set<string>();
  for (let i = 0; i < scan.count; i++)
    there.add(recordKey(hashAt(scan.hashes, i), scan.offsets[i]));
  let slice = sliceChunks(store, undefined, SLICE);
  while (slice.length > 0) {
    for (const { name, location } of slice) {
      const { packId, offset, stored } = location;
      if (packId !== before.packId || offset + stored > before.size) continue;
      if (!there.has(recordKey(hashOf(name), offset))) found(name);
    }
    await giveWay();
    slice = sliceChunks(store, slice[slice.length - 1].name, SLICE);
  }
}

const recordKey = (hash: Buffer, offset: number): string => `${hashKey(hash)}${offset}`;

/** Of the records that the pack had before and that the scan found. */
async function liveBytes(
  store: Store,
  { packId, size }: PackRecord,
  scan: PackScan,
): Promise<number> {
  let live = 0;
  for (let i = 0; i < scan.count && scan.offsets[i] < size; i++) {
    const hash = hashAt(scan.hashes, i);
    if (findInRecord(store, hash, packId, scan.offsets[i])) live += scan.stored[i];
    if (i % SLICE === SLICE - 1) await giveWay();
  }
  return live;
}
