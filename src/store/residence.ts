/**
 * Bounds how much of the database counts as this process's memory. LMDB maps its file: a walk over a large
 * volume makes all of it resident, although the page cache holds it anyway.
 *
 * A read of a page that is cached maps its neighbours too (`fault_around_bytes`, 64 KiB): looking chunks up, a daemon
 * can map a gigabyte in a second. So it is reads that are counted, and the clock sees to what is read otherwise.
 */
import { readFileSync } from 'node:fs';
import { native } from '../native.js';

const LOOK_MS = 2000;
/** Between two looks reads make some 64 MiB resident, where each is in another place. */
const LOOK_READS = 512;
/** Of all files that are mapped; Node itself takes about 45 MiB of them. */
const LIMIT_BYTES = 128 << 20;
/** While it is read from all the time: what is given back has to be mapped again, which costs more than a look-up. */
const BUSY_LIMIT_BYTES = 288 << 20;
const PAGE_BYTES = 4096;

export interface Residence {
  /** Something was read: a value, or a row of a walk. */
  noteRead(): void;
  stop(): void;
}

/** Looks from time to time until it is stopped. `path` is the file as it was opened. */
export function boundResidence(path: string): Residence {
  let reads = 0;
  const bound = (limit: number): void => {
    reads = 0;
    if (mappedBytes() > limit) native.releaseMappings(path);
  };
  const timer = setInterval(() => bound(LIMIT_BYTES), LOOK_MS);
  timer.unref();
  return {
    noteRead() {
      if (++reads === LOOK_READS) bound(BUSY_LIMIT_BYTES);
    },
    stop: () => clearInterval(timer),
  };
}

/** proc(5), statm: the third field counts resident pages of files. */
function mappedBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[2]) * PAGE_BYTES;
}
