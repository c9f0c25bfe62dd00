/**
 * Sharing: which plain files of one tier are worth comparing, so that what is equal in both takes space once.
 * All of it from facts and samples: what is equal in the end the kernel decides.
 *
 * Files of one size are candidates: two downloads of one model, or fine-tunes of it with the same layout. Equal
 * bytes at another offset are found by packing alone.
 */
import type { FileClass } from '../config/file-class.js';
import type { FileFacts } from './types.js';

/** Bytes. Less is not worth a look at all files. */
const SMALLEST = 1024 * 1024;
/** A write into a shared block takes new space and cuts the file up: not for what is written in place. */
const WRITTEN_IN_PLACE: readonly FileClass[] = ['database', 'vector-index'];
/** Of the samples that a file has to itself: where less is equal, reading both costs more than it brings. */
const LEAST_EQUAL = 1 / 16;

/** A file with its samples; those of files of one size were taken at the same offsets. */
export interface Sampled {
  ino: number;
  size: number;
  heat: number;
  open: boolean;
  /** 0 for a sample that says nothing. */
  hashes: ArrayLike<number>;
  /** Where each sample lies on the tier; 0 where that is not known. */
  places: ArrayLike<number>;
  /** Bytes that it shares with others already. */
  sharedBytes: number;
}

/** `target` is to use the blocks of `source`. */
export interface SharePair {
  source: number;
  target: number;
}

/** Whether a file on a tier that can share blocks may do so. */
export function mayShare(facts: FileFacts, settleMs: number): boolean {
  if (facts.plainTier === null || facts.size < SMALLEST) return false;
  if (!facts.settled || facts.idleMs < settleMs) return false;
  if (facts.pin !== null && facts.pin !== facts.plainTier) return false;
  return !WRITTEN_IN_PLACE.includes(facts.fileClass);
}

/**
 * The pairs of files of one size on one tier that are worth comparing. `compared` says what was compared before,
 * and is not again.
 */
export function pairsOf(
  files: readonly Sampled[],
  compared: (pair: SharePair) => boolean,
): SharePair[] {
  const ordered = files.toSorted(sourcesFirst);
  return ordered.flatMap((target, index) => {
    // What it has in the page cache goes: nobody who uses it now is to wait for the disk.
    if (target.open) return [];
    return bestPair(target, ordered.slice(0, index), compared) ?? [];
  });
}

/**
 * Files only take blocks from those before them, so that three equal files end in one place, not in a circle.
 * Whoever shares already stays where it is: moved away alone, it would leave the others its old blocks.
 */
function sourcesFirst(a: Sampled, b: Sampled): number {
  if (a.sharedBytes !== b.sharedBytes) return b.sharedBytes - a.sharedBytes;
  if (a.open !== b.open) return a.open ? -1 : 1;
  return b.heat - a.heat || a.ino - b.ino;
}

function bestPair(
  target: Sampled,
  earlier: readonly Sampled[],
  compared: (pair: SharePair) => boolean,
): SharePair | undefined {
  const own = samplesOfItsOwn(target, earlier);
  let best: SharePair | undefined;
  let most = -1;
  for (const source of earlier) {
    const equal = own.filter((i) => source.hashes[i] === target.hashes[i]).length;
    const isWorth = (equal > 0 && equal >= LEAST_EQUAL * own.length) || isRest(source, target);
    const pair = { source: source.ino, target: target.ino };
    if (!isWorth || equal <= most || compared(pair)) continue;
    [best, most] = [pair, equal];
  }
  return best;
}

/** Equal files that share nearly all: a job was cut off near its end, and only that is read now. */
function isRest(source: Sampled, target: Sampled): boolean {
  if (target.sharedBytes >= target.size) return false;
  const indexes = indexesOf(target);
  const equal = indexes.every((i) => source.hashes[i] === target.hashes[i]);
  return equal && indexes.some((i) => isSamePlace(source, target, i));
}

function isSamePlace(a: Sampled, b: Sampled, i: number): boolean {
  return a.places[i] !== 0 && a.places[i] === b.places[i];
}

const indexesOf = ({ hashes }: Sampled): number[] =>
  Array.from({ length: hashes.length }, (_, i) => i);

/** Those that no earlier file has at the same place. */
function samplesOfItsOwn(target: Sampled, earlier: readonly Sampled[]): number[] {
  const isOwn = (i: number): boolean => !earlier.some((file) => isSamePlace(file, target, i));
  return indexesOf(target).filter((i) => target.hashes[i] !== 0 && isOwn(i));
}
