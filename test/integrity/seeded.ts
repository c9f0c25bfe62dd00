/** What crasher and crash test must agree on: files and choices that follow from a seed. */
import { randomBytes } from '../content/fixture.js';

const MIB = 1 << 20;

export function pick(seed: number, step: number, choices: number): number {
  return randomBytes(seed * 1009 + step + 1, 64).readUInt32LE(40) % choices;
}

/** Files share much of their content, as versions of a model do. */
export function fileOf(seed: number, step: number): Buffer {
  const shared = randomBytes(1 + pick(seed, step, 3), 3 * MIB);
  const own = randomBytes(seed * 7919 + step + 1, MIB);
  return Buffer.concat([shared.subarray(0, 2 * MIB), own, Buffer.alloc(MIB), shared]);
}
