/**
 * Bounds how much of the database counts as this process's memory. LMDB maps its file: a walk over a large
 * volume makes all of it resident, although the page cache holds it anyway.
 */
import { readFileSync } from 'node:fs';
import { native } from '../native.js';

const LOOK_MS = 2000;
/** Of all files that are mapped; Node itself takes about 45 MiB of them. */
const LIMIT_BYTES = 128 << 20;
const PAGE_BYTES = 4096;

/** Looks from time to time until the returned function is called. `path` is the file as it was opened. */
export function boundResidence(path: string): () => void {
  const timer = setInterval(() => {
    if (mappedBytes() > LIMIT_BYTES) native.releaseMappings(path);
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** proc(5), statm: the third field counts resident pages of files. */
function mappedBytes(): number {
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[2]) * PAGE_BYTES;
}
