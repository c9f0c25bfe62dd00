/**
 * What passes between libfuse 2 and us through a binding that was not made for it: the circumstances of a
 * call in front of its path, attributes and statistics as 32-bit words. The other half is native/libfuse2/encoding.h.
 */
import type { Attributes, Caller, FilesystemStatistics } from '../operations.js';

/** A path with its circumstances. */
export interface Sealed {
  caller: Caller;
  /** Of the kernel's request: one operation of the kernel may become several calls. */
  opcode: number;
  /** What else the operation has: see callbacks.ts. */
  words: number[];
  /** Bytes as latin1; from the root. Empty where the file has no name any more. */
  path: string;
}

/** `uid,gid,pid,opcode,...:path` */
export function unseal(text: string): Sealed {
  const colon = text.indexOf(':');
  const [uid, gid, pid, opcode, ...words] = text.slice(0, colon).split(',').map(Number);
  return { caller: { uid, gid, pid }, opcode, words, path: text.slice(colon + 1) };
}

const WORD = 2 ** 32;
const EPOCH_OFFSET = 2 ** 31;
const SECONDS_LIMIT = 2 ** 34;
const STAT_WORDS = 18;

/** struct stat in the binding's order. Times and large inode numbers are packed, see native/libfuse2. */
export function encodeAttributes(a: Attributes): Uint32Array {
  const words = new Uint32Array(STAT_WORDS);
  words[0] = a.mode;
  words[1] = a.uid;
  words[2] = a.gid;
  setWide(words, 3, a.size);
  words[5] = Math.floor(a.ino / WORD);
  words[6] = a.nlink;
  words[7] = a.ino % WORD;
  words[8] = a.rdev;
  words[9] = a.blockSize;
  setWide(words, 10, a.blocks);
  setTime(words, 12, a.atimeSec, a.atimeNsec);
  setTime(words, 14, a.mtimeSec, a.mtimeNsec);
  setTime(words, 16, a.ctimeSec, a.ctimeNsec);
  return words;
}

/** For calls that failed: the binding reads it all the same. */
export const NO_ATTRIBUTES = new Uint32Array(STAT_WORDS);

/** What libfuse takes from an entry of a directory: number and type. */
export function encodeEntry(ino: number, type: number): Uint32Array {
  const words = new Uint32Array(STAT_WORDS);
  words[0] = type << 12;
  words[5] = Math.floor(ino / WORD);
  words[7] = ino % WORD;
  return words;
}

function setWide(words: Uint32Array, at: number, value: number): void {
  words[at] = value % WORD;
  words[at + 1] = Math.floor(value / WORD);
}

/** 34 bits of seconds since 1901, 30 bits of nanoseconds. */
function setTime(words: Uint32Array, at: number, sec: number, nsec: number): void {
  const seconds = Math.min(Math.max(sec + EPOCH_OFFSET, 0), SECONDS_LIMIT - 1);
  words[at] = (seconds % 4) * 2 ** 30 + nsec;
  words[at + 1] = Math.floor(seconds / 4);
}

const STATISTICS_WORDS = 11;
export const NO_STATISTICS = new Uint32Array(STATISTICS_WORDS);

/** struct statvfs. Counts have 32 bits: blocks are counted in larger ones where there are too many. */
export function encodeStatistics(s: FilesystemStatistics): Uint32Array {
  let scale = 1;
  while (s.blocks / scale >= WORD) scale *= 2;
  const words = new Uint32Array(STATISTICS_WORDS);
  words[0] = s.blockSize * scale;
  words[1] = s.blockSize * scale;
  words[2] = s.blocks / scale;
  words[3] = s.freeBlocks / scale;
  words[4] = s.availableBlocks / scale;
  words[5] = Math.min(s.files, WORD - 1);
  words[6] = Math.min(s.freeFiles, WORD - 1);
  words[7] = words[6];
  words[10] = s.nameLength;
  return words;
}

/** A 64-bit value that the binding gives in halves. */
export const wide = (low: number, high: number): number => low + high * WORD;
