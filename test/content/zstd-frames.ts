/** Frames that claim what they don't hold, for a decoder that must not believe them. RFC 8878. */
import type { Chance } from '../random/randomness.js';

const MAGIC = Buffer.from('28b52ffd', 'hex');
/** Of formats before 1.0, which a library may still decode. */
const LEGACY = ['1eb52ffd', '22b52ffd', '23b52ffd', '24b52ffd', '25b52ffd', '26b52ffd', '27b52ffd'];
const BLOCK_MAX = 128 << 10;

/** A payload as long as `good`, which is one that was stored. */
export function hostileFrame(good: Buffer, chance: Chance): Buffer {
  const makers = [damagedHead, claimingFrame, bomb, twoFrames, skippable, legacy];
  const frame = chance.pick(makers)(good, chance);
  const rest = chance.bytes.next(Math.max(0, good.length - frame.length));
  return Buffer.concat([frame, rest]).subarray(0, good.length);
}

/** A payload of `room` bytes that decodes to `length` bytes, or undefined where that is too short. */
export function plainFrame(room: number, length: number): Buffer | undefined {
  // A window of 128 KiB and no length of the content; then blocks of one repeated byte.
  const parts: Buffer[] = [MAGIC, Buffer.from([0, 0x38])];
  for (let left = length; left > 0; left -= BLOCK_MAX) {
    parts.push(repeatedByte(Math.min(left, BLOCK_MAX), left <= BLOCK_MAX));
  }
  const frame = Buffer.concat(parts);
  const rest = room - frame.length;
  if (rest === 0) return frame;
  return rest < 8
    ? undefined
    : Buffer.concat([frame, skipped(0, rest - 8), Buffer.alloc(rest - 8)]);
}

function repeatedByte(length: number, last: boolean): Buffer {
  const block = Buffer.alloc(4, 0x61);
  block.writeUIntLE((length << 3) | 2 | (last ? 1 : 0), 0, 3);
  return block;
}

/** What stands before bytes that a decoder skips. */
function skipped(kind: number, length: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50 + kind);
  head.writeUInt32LE(length, 4);
  return head;
}

/** The frame's own header with other bits: sizes, window, dictionary, checksum. */
function damagedHead(good: Buffer, chance: Chance): Buffer {
  const frame = Buffer.from(good);
  for (let n = chance.between(1, 4); n > 0; n--) {
    frame[4 + chance.below(Math.min(14, frame.length - 4))] ^= 1 << chance.below(8);
  }
  return frame;
}

/** The same blocks behind a header that claims another size, window or dictionary. */
function claimingFrame(good: Buffer, chance: Chance): Buffer {
  const descriptor = (chance.below(4) << 6) | (chance.below(2) << 5) | chance.below(8);
  const sizes = chance.pick([Buffer.alloc(14, 0xff), Buffer.alloc(14), chance.bytes.next(14)]);
  const rest = sizes.subarray(0, chance.below(15));
  return Buffer.concat([MAGIC, Buffer.from([descriptor]), rest, good.subarray(6)]);
}

/** Blocks of one repeated byte: four bytes for each 128 KiB. */
function bomb(good: Buffer, chance: Chance): Buffer {
  const blocks: Buffer[] = [MAGIC, Buffer.from([0, chance.pick([0x00, 0x58, 0xff])])];
  for (let length = 6; length + 4 <= good.length; length += 4) {
    blocks.push(repeatedByte(BLOCK_MAX, length + 8 > good.length));
  }
  return Buffer.concat(blocks);
}

/** The format has one frame; what follows it decodes as well. */
function twoFrames(good: Buffer, chance: Chance): Buffer {
  const half = good.subarray(0, chance.below(good.length));
  return chance.oneIn(2) ? Buffer.concat([good, half]) : Buffer.concat([half, good]);
}

function skippable(good: Buffer, chance: Chance): Buffer {
  const length = chance.pick([0, 1, good.length, 0x7fffffff, 0xffffffff]);
  return Buffer.concat([skipped(chance.below(16), length), good]);
}

function legacy(good: Buffer, chance: Chance): Buffer {
  const rest = chance.oneIn(2) ? good.subarray(4) : chance.bytes.next(good.length);
  return Buffer.concat([Buffer.from(chance.pick(LEGACY), 'hex'), rest]);
}
