/** Random numbers that replay from their seed. */
import { randomFrom } from '../seed.js';

export interface Random {
  /** 0 to limit - 1. */
  below(limit: number): number;
}

export function createRandom(seed: number): Random {
  const next = randomFrom(seed);
  return { below: (limit) => Math.floor((next() / 2 ** 32) * limit) };
}
