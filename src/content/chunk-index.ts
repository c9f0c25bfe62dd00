/**
 * The chunk index: name to location, which is the SHA-256 or, of a chunk that was stored again, one of its copies
 * (`names.ts`). Every change keeps `live` of the packs and the savings right in the same turn, so nothing else
 * writes this table.
 *
 * A chunk is in the index exactly while a recipe segment names it: references are counted when a segment is
 * written and given back when it is removed, in the same transaction.
 */
import { requireFormat } from '../store/format.js';
import type { Store } from '../store/types.js';
import { contentError } from './errors.js';
import { HASH_BYTES } from './limits.js';
import { copyOf, hashOf, namesOf } from './names.js';
import type { Packs } from './packs.js';
import { decodeLocation, encodeLocation } from './records.js';
import type { Savings } from './savings.js';
import type { ChunkLocation } from './types.js';

const PRESENT = Buffer.from([1]);
/** Format of a database in which chunks were ever stored again. */
const COPIES_FORMAT = 2;

/** One record in a pack. */
export type Place = Pick<ChunkLocation, 'packId' | 'offset' | 'stored' | 'length'>;

/** A chunk, or a copy of one, as the index has it. */
export interface NamedLocation {
  name: Buffer;
  location: ChunkLocation;
}

export interface ChunkIndex {
  get(name: Buffer): ChunkLocation | undefined;
  /** The location where new data may rely on it: not bad, and its tier is there. */
  hit(name: Buffer): ChunkLocation | undefined;
  /** Every copy of a chunk that the index has, the first one first; `good` as for `hit`. */
  copies(hash: Buffer): (NamedLocation & { good: boolean })[];
  /** What lies in this record. */
  inRecord(hash: Buffer, packId: number, offset: number): NamedLocation | undefined;
  /** Where the bytes are to be read: there, or, if that copy is not good, at another one that is. */
  source(name: Buffer): ChunkLocation | undefined;
  /** Counts one more reference. `fresh`: durable new bytes, taken where the index has none that are good. */
  refer(name: Buffer, fresh: Place | undefined): void;
  /** Gives `times` references back and removes the chunk with its last one. @returns true if removed. */
  release(name: Buffer, times: number): boolean;
  /** Points a chunk from one record to a durable copy of it; false where it no longer lies at `from`. */
  move(name: Buffer, from: Pick<Place, 'packId' | 'offset'>, to: Place): boolean;
  /** @returns false where the chunk is unknown. */
  markBad(name: Buffer): boolean;
  /** Its record was mended; nothing where it lies elsewhere by now. */
  markGood(name: Buffer, at: Pick<Place, 'packId' | 'offset'>): void;
  /** How many chunks are bad; counts up to `limit`. */
  countBad(limit: number): number;
  /** Up to `limit` chunks with names above `after`, ascending. */
  slice(after: Buffer | undefined, limit: number): NamedLocation[];
  /** Grows whenever a known chunk changed its place or health: plans made before may be stale. */
  readonly epoch: number;
}

interface IndexParts {
  store: Store;
  packs: Packs;
  savings: Savings;
}

export function createChunkIndex(store: Store, packs: Packs, savings: Savings): ChunkIndex {
  const { get, isGood, hit, ...changes } = createChanges({ store, packs, savings });

  function copies(hash: Buffer): (NamedLocation & { good: boolean })[] {
    // Where nothing was ever stored again there is no need to look.
    const names = savings.counters().again > 0 ? namesOf(hash) : [hash];
    return names.flatMap((name) => {
      const location = get(name);
      return location ? [{ name, location, good: isGood(location) }] : [];
    });
  }

  return {
    get,
    hit,
    copies,
    inRecord: (hash, packId, offset) => findInRecord(store, hash, packId, offset),
    source(name) {
      const location = get(name);
      if (!location || isGood(location)) return location;
      const other = copies(hashOf(name)).find(({ good }) => good);
      return other?.location ?? location;
    },
    refer: changes.refer,
    release: changes.release,
    move: changes.move,
    markBad(name) {
      const location = get(name);
      if (!location) return false;
      if (!location.bad) changes.mark(name, location, true);
      return true;
    },
    markGood(name, at) {
      const location = get(name);
      if (location?.bad && isAt(location, at)) changes.mark(name, location, false);
    },
    countBad: changes.countBad,
    slice: (after, limit) => sliceChunks(store, after, limit),
    get epoch() {
      return changes.epoch();
    },
  };
}

/** What adds, removes and moves chunks, with all that has to agree. */
function createChanges({ store, packs, savings }: IndexParts) {
  const table = store.table('chunks');
  /** Names of those that are bad, so that they can be counted. */
  const damaged = store.table('damaged');
  let epoch = 0;

  function get(name: Buffer): ChunkLocation | undefined {
    const value = table.get(name);
    return value && decodeLocation(value);
  }

  function put(name: Buffer, location: ChunkLocation): void {
    table.put(name, encodeLocation(location));
  }

  function isGood(location: ChunkLocation): boolean {
    return !location.bad && packs.readableTier(location.packId) !== undefined;
  }

  /** `unique` and `stored` are differences, in bytes. */
  function count(name: Buffer, unique: number, stored: number): void {
    savings.add({ unique, stored, again: copyOf(name) === 0 ? 0 : stored });
  }

  function add(name: Buffer, fresh: Place): void {
    // In the same transaction: who does not know of copies must not open it.
    if (copyOf(name) !== 0) requireFormat(store, COPIES_FORMAT);
    // First: it fails where the pack is not there any more.
    packs.addLive(fresh.packId, fresh.stored);
    put(name, { ...fresh, references: 1, bad: false });
    count(name, fresh.length, fresh.stored);
  }

  function noLongerBad(name: Buffer, { packId }: Place): void {
    damaged.remove(name);
    packs.noteHealed(packId);
  }

  function replace(name: Buffer, old: ChunkLocation, to: Place, references: number): void {
    packs.addLive(to.packId, to.stored);
    packs.addLive(old.packId, -old.stored);
    if (old.bad) noLongerBad(name, old);
    put(name, { ...to, references, bad: false });
    count(name, 0, to.stored - old.stored);
    epoch++;
  }

  return {
    get,
    isGood,
    hit(name: Buffer): ChunkLocation | undefined {
      const location = get(name);
      return location && isGood(location) ? location : undefined;
    },
    refer(name: Buffer, fresh: Place | undefined): void {
      const location = get(name);
      // What was found damaged stays so where another job relied on that record too.
      if (location && (!fresh || isGood(location) || isAt(location, fresh))) {
        put(name, { ...location, references: location.references + 1 });
      } else if (location && fresh) {
        replace(name, location, fresh, location.references + 1);
      } else if (fresh) {
        add(name, fresh);
      } else {
        throw contentError('EIO', `chunk ${name.toString('hex')} left the index while in use`);
      }
    },
    release(name: Buffer, times: number): boolean {
      const location = get(name);
      if (!location) return false;
      if (location.references > times) {
        put(name, { ...location, references: location.references - times });
        return false;
      }
      table.remove(name);
      if (location.bad) noLongerBad(name, location);
      packs.addLive(location.packId, -location.stored);
      count(name, -location.length, -location.stored);
      return true;
    },
    move(name: Buffer, from: Pick<Place, 'packId' | 'offset'>, to: Place): boolean {
      const location = get(name);
      if (!location || !isAt(location, from)) return false;
      replace(name, location, to, location.references);
      return true;
    },
    mark(name: Buffer, location: ChunkLocation, bad: boolean): void {
      put(name, { ...location, bad });
      if (bad) damaged.put(name, PRESENT);
      else noLongerBad(name, location);
      epoch++;
    },
    countBad(limit: number): number {
      let count = 0;
      for (const { key } of damaged.range(Buffer.alloc(0))) {
        // An older program may have healed it, which knows nothing of this table.
        if (get(key)?.bad && ++count === limit) break;
      }
      return count;
    },
    epoch: () => epoch,
  };
}

type RecordPlace = Pick<Place, 'packId' | 'offset'>;

function isAt(location: RecordPlace, { packId, offset }: RecordPlace): boolean {
  return location.packId === packId && location.offset === offset;
}

/** Which copy of a chunk lies in a record; for checks as well. */
export function findInRecord(
  store: Store,
  hash: Buffer,
  packId: number,
  offset: number,
): NamedLocation | undefined {
  const table = store.table('chunks');
  for (const name of namesOf(hash)) {
    const value = table.get(name);
    const location = value && decodeLocation(value);
    if (location && isAt(location, { packId, offset })) return { name, location };
  }
  return undefined;
}

/** Walks the index in slices; for checks as well. */
export function sliceChunks(
  store: Store,
  after: Buffer | undefined,
  limit: number,
): NamedLocation[] {
  const found: NamedLocation[] = [];
  const start = after ? Buffer.concat([after, Buffer.of(0)]) : Buffer.alloc(HASH_BYTES);
  for (const { key, value } of store.table('chunks').range(start)) {
    found.push({ name: key, location: decodeLocation(value) });
    if (found.length === limit) break;
  }
  return found;
}
