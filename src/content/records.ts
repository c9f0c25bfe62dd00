/**
 * Values of the content tables, byte by byte; README.md here has the same as a table. Keys are big endian,
 * so that they sort; values are little endian and start with their version. An unknown version is refused.
 */
import { HASH_BYTES } from './limits.js';
import { nameOf } from './names.js';
import type { ChunkLocation, PackInfo } from './types.js';

const VERSION = 1;
/** Of a segment that names copies. */
const COPIES_VERSION = 2;
const BAD = 1;
const SEGMENT_HEADER = 8;
const ZERO_BIT = 0x80000000;
/** In a segment with copies these bits have the number of the copy; a length has at most 23. */
const COPY_SHIFT = 24;
const COPY_MASK = 0x7f;

/** `open` packs may have a torn tail; `doomed` ones are about to be unlinked; `adopted` are never removed. */
export type PackState = 'open' | 'sealed' | 'doomed' | 'adopted';
const STATES: readonly PackState[] = ['open', 'sealed', 'doomed', 'adopted'];

/** The decoded record of a pack. Objects are shared; `Packs` writes what was changed. */
export interface PackRecord extends PackInfo {
  state: PackState;
}

export interface RecipeHead {
  recipeId: number;
  /** Bytes of the file. */
  size: number;
  /** Of those, bytes in runs of zeros. */
  zeroBytes: number;
  chunks: number;
}

/** Some chunks of a recipe, in file order. */
export interface Segment {
  /** 32 bytes per chunk. */
  hashes: Buffer;
  lengths: Uint32Array;
  /** 1 for a run of zeros. */
  zero: Uint8Array;
  /** Which copy of the chunk; 0 for the first. */
  copies: Uint8Array;
}

export function encodeLocation(location: ChunkLocation): Buffer {
  const value = Buffer.alloc(24);
  value[0] = VERSION;
  value[1] = location.bad ? BAD : 0;
  value.writeUInt32LE(location.packId, 4);
  value.writeUInt32LE(location.offset, 8);
  value.writeUInt32LE(location.stored, 12);
  value.writeUInt32LE(location.length, 16);
  value.writeUInt32LE(location.references, 20);
  return value;
}

export function decodeLocation(value: Buffer): ChunkLocation {
  checkVersion(value, 24, 'chunk');
  return {
    packId: value.readUInt32LE(4),
    offset: value.readUInt32LE(8),
    stored: value.readUInt32LE(12),
    length: value.readUInt32LE(16),
    references: value.readUInt32LE(20),
    bad: (value[1] & BAD) !== 0,
  };
}

export function encodePack(pack: PackRecord): Buffer {
  const value = Buffer.alloc(24);
  value[0] = VERSION;
  value[1] = STATES.indexOf(pack.state);
  value[2] = pack.tier;
  value.writeBigUInt64LE(BigInt(pack.size), 8);
  // Below 0 it would be wrong already; fsck says so, and the commit must not fail for it.
  value.writeBigUInt64LE(BigInt(Math.max(0, pack.live)), 16);
  return value;
}

export function decodePack(packId: number, value: Buffer): PackRecord {
  checkVersion(value, 24, 'pack');
  const state = STATES[value[1]];
  if (!state) throw new Error(`pack ${packId}: unknown state ${value[1]} in the catalogue`);
  return {
    packId,
    tier: value[2],
    size: Number(value.readBigUInt64LE(8)),
    live: Number(value.readBigUInt64LE(16)),
    sealed: state !== 'open',
    state,
  };
}

export function encodeHead(head: RecipeHead): Buffer {
  const value = Buffer.alloc(32);
  value[0] = VERSION;
  value.writeUInt32LE(head.chunks, 4);
  value.writeBigUInt64LE(BigInt(head.recipeId), 8);
  value.writeBigUInt64LE(BigInt(head.size), 16);
  value.writeBigUInt64LE(BigInt(head.zeroBytes), 24);
  return value;
}

export function decodeHead(value: Buffer): RecipeHead {
  checkVersion(value, 32, 'recipe');
  return {
    chunks: value.readUInt32LE(4),
    recipeId: Number(value.readBigUInt64LE(8)),
    size: Number(value.readBigUInt64LE(16)),
    zeroBytes: Number(value.readBigUInt64LE(24)),
  };
}

export function encodeSegment({ hashes, lengths, zero, copies }: Segment): Buffer {
  const count = lengths.length;
  const value = Buffer.alloc(SEGMENT_HEADER + count * (4 + HASH_BYTES));
  value[0] = copies.some((copy) => copy !== 0) ? COPIES_VERSION : VERSION;
  value.writeUInt32LE(count, 4);
  for (let i = 0; i < count; i++) {
    const flags = zero[i] ? ZERO_BIT : copies[i] << COPY_SHIFT;
    value.writeUInt32LE((lengths[i] | flags) >>> 0, SEGMENT_HEADER + i * 4);
  }
  hashes.copy(value, SEGMENT_HEADER + count * 4, 0, count * HASH_BYTES);
  return value;
}

export function decodeSegment(value: Buffer): Segment {
  const hasCopies = value[0] === COPIES_VERSION;
  checkVersion(value, SEGMENT_HEADER, 'recipe segment', hasCopies ? COPIES_VERSION : VERSION);
  const count = value.readUInt32LE(4);
  const hashesAt = SEGMENT_HEADER + count * 4;
  if (value.length !== hashesAt + count * HASH_BYTES) {
    throw new Error(`a recipe segment of ${count} chunks has ${value.length} bytes`);
  }
  const lengths = new Uint32Array(count);
  const zero = new Uint8Array(count);
  const copies = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const word = value.readUInt32LE(SEGMENT_HEADER + i * 4);
    zero[i] = word >= ZERO_BIT ? 1 : 0;
    lengths[i] = word % (hasCopies ? 1 << COPY_SHIFT : ZERO_BIT);
    if (hasCopies) copies[i] = (word >>> COPY_SHIFT) & COPY_MASK;
  }
  return { hashes: value.subarray(hashesAt), lengths, zero, copies };
}

/** The value of a table whose records say no more than their key. */
export function encodeMark(): Buffer {
  return Buffer.of(VERSION);
}

export function numberKey(value: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(value));
  return key;
}

export function numberOfKey(key: Buffer): number {
  return Number(key.readBigUInt64BE(0));
}

export function packKey(packId: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(packId);
  return key;
}

export function segmentKey(recipeId: number, segment: number): Buffer {
  const key = Buffer.alloc(12);
  key.writeBigUInt64BE(BigInt(recipeId));
  key.writeUInt32BE(segment, 8);
  return key;
}

export function hashAt(hashes: Buffer, index: number): Buffer {
  return hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

/** The name of the copy of a chunk that a recipe or a segment has. */
export function nameAt({ hashes, copies }: Pick<Segment, 'hashes' | 'copies'>, i: number): Buffer {
  return nameOf(hashAt(hashes, i), copies[i]);
}

function checkVersion(value: Buffer, length: number, what: string, version = VERSION): void {
  if (value[0] !== version) {
    throw new Error(`${what} record of version ${value[0]}, which this program does not know`);
  }
  if (value.length < length)
    throw new Error(`${what} record of ${value.length} bytes is cut short`);
}
