/** Numbers at which readers go wrong. */
import type { Chance } from '../random/randomness.js';
import { readField, writeField, type Fields } from './pack-bytes.js';

/** What a reader must refuse: the longest chunk and record, and beyond. */
const LIMITS = [4 << 20, (4 << 20) + 1, (4 << 20) + 64, 2 ** 31, 2 ** 32 - 1].map(BigInt);
const ENDS = [0, 1, 2, 63, 64, 65, 127, 128].map(BigInt);
const EDGES = [8, 12, 16, 22, 31, 32, 53, 63, 64].flatMap((bits) => {
  const power = 1n << BigInt(bits);
  return [power - 1n, power, power + 1n];
});

function boundary(current: bigint, fileLength: number, chance: Chance): bigint {
  const near = [current - 1n, current + 1n, current * 2n, ~current, current ^ (1n << 7n)];
  const file = [0, 1, 63, 64, 65, 128].map((less) => BigInt(fileLength - less));
  return chance.pick(chance.pick([LIMITS, ENDS, EDGES, near, file]));
}

/** Gives one of the fields at `base` another number. */
export function setField(bytes: Buffer, base: number, fields: Fields, chance: Chance): void {
  const [at, length] = chance.pick(fields);
  if (base + at + length > bytes.length) return;
  const current = readField(bytes, base + at, length);
  writeField(bytes, base + at, length, boundary(current, bytes.length, chance));
}
