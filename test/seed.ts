/**
 * What the random choices of a test start from. `SEED=n` replays a run, `SEED=random` draws another one.
 * Without it every run takes the same steps, so that a change is judged by what it changed; what the kernel
 * and the threads do in between still varies.
 */
export const seed = chosenSeed(process.env['SEED'] ?? '1');

function chosenSeed(text: string): number {
  return text === 'random' ? Date.now() % 1_000_000 : Number(text);
}

export type Random = () => number;

/** mulberry32: numbers from 0 to 2^32 - 1. 32 bits of state are plenty for choosing what a test does next. */
export function randomFrom(start: number): Random {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
