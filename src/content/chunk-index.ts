/**
 * The chunk index: SHA-256 to location. Every change keeps `live` of the packs and the savings right in
 * the same turn, so nothing else writes this table.
 *
 * A chunk is in the index exactly while a recipe segment names it: references are counted when a segment is
 * written and given back when it is removed, in the same transaction.
 */
import type { Store } from '../store/types.js';
import { contentError } from './errors.js';
import { HASH_BYTES } from './limits.js';
import type { Packs } from './packs.js';
import { decodeLocation, encodeLocation } from './records.js';
import type { Savings } from './savings.js';
import type { ChunkLocation } from './types.js';

/** One record in a pack. */
export type Place = Pick<ChunkLocation, 'packId' | 'offset' | 'stored' | 'length'>;

export interface ChunkIndex {
  get(hash: Buffer): ChunkLocation | undefined;
  /** The location where new data may rely on it: not bad, and its tier is there. */
  hit(hash: Buffer): ChunkLocation | undefined;
  /** Counts one more reference. `fresh`: durable new bytes, taken where the index has none that are good. */
  refer(hash: Buffer, fresh: Place | undefined): void;
  /** Gives `times` references back and removes the chunk with its last one. @returns true if removed. */
  release(hash: Buffer, times: number): boolean;
  /** Points a chunk from one record to a durable copy of it; false where it no longer lies at `from`. */
  move(hash: Buffer, from: Pick<Place, 'packId' | 'offset'>, to: Place): boolean;
  /** @returns false where the chunk is unknown. */
  markBad(hash: Buffer): boolean;
  /** Up to `limit` chunks with hashes above `after`, ascending. */
  slice(after: Buffer | undefined, limit: number): { hash: Buffer; location: ChunkLocation }[];
  /** Grows whenever a known chunk changed its place or health: plans made before may be stale. */
  readonly epoch: number;
}

export function createChunkIndex(store: Store, packs: Packs, savings: Savings): ChunkIndex {
  const table = store.table('chunks');
  let epoch = 0;

  function get(hash: Buffer): ChunkLocation | undefined {
    const value = table.get(hash);
    return value && decodeLocation(value);
  }

  function put(hash: Buffer, location: ChunkLocation): void {
    table.put(hash, encodeLocation(location));
  }

  function isGood(location: ChunkLocation): boolean {
    return !location.bad && packs.readableTier(location.packId) !== undefined;
  }

  function add(hash: Buffer, fresh: Place): void {
    put(hash, { ...fresh, references: 1, bad: false });
    packs.addLive(fresh.packId, fresh.stored);
    savings.add({ unique: fresh.length, stored: fresh.stored });
  }

  function replace(hash: Buffer, old: ChunkLocation, to: Place, references: number): void {
    put(hash, { ...to, references, bad: false });
    packs.addLive(old.packId, -old.stored);
    packs.addLive(to.packId, to.stored);
    savings.add({ stored: to.stored - old.stored });
    epoch++;
  }

  return {
    get,
    hit(hash) {
      const location = get(hash);
      return location && isGood(location) ? location : undefined;
    },
    refer(hash, fresh) {
      const location = get(hash);
      if (location && (!fresh || isGood(location))) {
        put(hash, { ...location, references: location.references + 1 });
      } else if (location && fresh) {
        replace(hash, location, fresh, location.references + 1);
      } else if (fresh) {
        add(hash, fresh);
      } else {
        throw contentError('EIO', `chunk ${hash.toString('hex')} left the index while in use`);
      }
    },
    release(hash, times) {
      const location = get(hash);
      if (!location) return false;
      if (location.references > times) {
        put(hash, { ...location, references: location.references - times });
        return false;
      }
      table.remove(hash);
      packs.addLive(location.packId, -location.stored);
      savings.add({ unique: -location.length, stored: -location.stored });
      return true;
    },
    move(hash, from, to) {
      const location = get(hash);
      if (location?.packId !== from.packId || location.offset !== from.offset) return false;
      replace(hash, location, to, location.references);
      return true;
    },
    markBad(hash) {
      const location = get(hash);
      if (!location) return false;
      if (!location.bad) {
        put(hash, { ...location, bad: true });
        epoch++;
      }
      return true;
    },
    slice: (after, limit) => sliceChunks(store, after, limit),
    get epoch() {
      return epoch;
    },
  };
}

/** Walks the index in slices; for checks as well. */
export function sliceChunks(
  store: Store,
  after: Buffer | undefined,
  limit: number,
): { hash: Buffer; location: ChunkLocation }[] {
  const found: { hash: Buffer; location: ChunkLocation }[] = [];
  const start = after ? Buffer.concat([after, Buffer.of(0)]) : Buffer.alloc(HASH_BYTES);
  for (const { key, value } of store.table('chunks').range(start)) {
    found.push({ hash: key, location: decodeLocation(value) });
    if (found.length === limit) break;
  }
  return found;
}
