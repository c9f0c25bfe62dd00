/**
 * What the random choices of a test start from. `SEED=n` replays a run, `SEED=random` draws another one.
 * Without it every run takes the same steps, so that a change is judged by what it changed; what the kernel
 * and the threads do in between still varies.
 */
export const seed = chosenSeed(process.env['SEED'] ?? '1');

function chosenSeed(text: string): number {
  return text === 'random' ? Date.now() % 1_000_000 : Number(text);
}
