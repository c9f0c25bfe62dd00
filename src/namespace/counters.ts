/**
 * The counters of the namespace: the next inode number and how many inodes there are. They are written
 * with each group that changed them.
 *
 * A number is given out before the group that says so is durable: a backing file may carry it and the
 * kernel may know it when the power fails. So at most RESERVE numbers are given out beyond the last
 * durable counter, and an opening begins RESERVE above the counter for each opening since it was written
 * (the store counts its openings durably). No number is ever given out twice.
 */
import { META_TABLE, openings } from '../store/format.js';
import type { Store } from '../store/types.js';
import { namespaceError } from './errors.js';
import { NUMBER_BYTES, readNumber, writeNumber } from './keys.js';

export interface Counters {
  inodes: number;
  /** The numbers, below `to`, of each opening that may have ended without a durable record of them. */
  readonly unrecorded: readonly { from: number; to: number }[];
  /** @throws the store's error, or EIO, while the disk does not take the counter */
  nextIno(): number;
  /** Adds changed counters to the group that is about to be written. */
  write(): void;
}

/** Numbers that may be given out before the counter is durable. */
export const RESERVE = 65536;
const COUNTERS_KEY = Buffer.from('namespace-counters');

interface CountersRecord {
  next: number;
  inodes: number;
  /** Opening of the store that wrote the record. */
  opening: number;
}

/**
 * `firstIno` is the first number of a new namespace. `beginAt`, for one that is an older copy: numbers below it may have
 * been given out since; none is used, and none counts as unrecorded. That is part of the current group.
 */
export function createCounters(store: Store, firstIno: number, beginAt?: number): Counters {
  const meta = store.table(META_TABLE);
  const opening = openings(store);
  const last = decode(meta.get(COUNTERS_KEY)) ?? { next: firstIno, inodes: 0, opening: 1 };
  const earlier = beginAt === undefined ? opening - last.opening : 0;
  let next = Math.max(last.next + RESERVE * (opening - last.opening), beginAt ?? 0);
  let written = { next: beginAt === undefined ? next : NaN, inodes: last.inodes };
  let durableNext = next;
  const counters: Counters = {
    inodes: last.inodes,
    unrecorded: Array.from({ length: earlier }, (_, count) => ({
      from: last.next + RESERVE * count,
      to: last.next + RESERVE * (count + 1),
    })),

    nextIno() {
      if (store.failed !== null) throw store.failed;
      if (next >= durableNext + RESERVE) {
        throw namespaceError('EIO', 'the namespace database does not keep up with new files');
      }
      return next++;
    },

    write() {
      // One group is in flight at a time: as this one leaves, the one before it has landed.
      if (store.failed === null && !Number.isNaN(written.next)) durableNext = written.next;
      const { inodes } = counters;
      if (next === written.next && inodes === written.inodes) return;
      meta.put(COUNTERS_KEY, encode({ next, inodes, opening }));
      written = { next, inodes };
    },
  };
  return counters;
}

function encode({ next, inodes, opening }: CountersRecord): Buffer {
  const record = Buffer.allocUnsafe(3 * NUMBER_BYTES);
  writeNumber(record, next, 0);
  writeNumber(record, inodes, NUMBER_BYTES);
  writeNumber(record, opening, 2 * NUMBER_BYTES);
  return record;
}

function decode(record: Buffer | undefined): CountersRecord | undefined {
  if (record === undefined) return undefined;
  return {
    next: readNumber(record, 0),
    inodes: readNumber(record, NUMBER_BYTES),
    opening: readNumber(record, 2 * NUMBER_BYTES),
  };
}
