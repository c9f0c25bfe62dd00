/**
 * Heat: a score that grows by one with each open and halves every half-life.
 *
 * A file opened once is at 1; opened again and again within a half-life it nears 2 and more.
 * Temperatures are read from it: HOT from 0.5 (opened within the last half-life, or more often
 * before), COLD below 1/16 (four half-lives after a single open), WARM between. `cold-after` looks
 * at the time of the last open, not at heat.
 */
import type { Temperature } from './types.js';

export const HOT_FROM = 0.5;
export const COLD_BELOW = 1 / 16;
/** A packed file comes up by heat from here: opened a second time within a half-life. */
export const PROMOTE_FROM = 1.5;

/** Heat after `elapsedMs`. A clock that went back does not heat. */
export function decayed(heat: number, elapsedMs: number, halfLifeMs: number): number {
  if (!(heat > 0)) return 0;
  if (elapsedMs <= 0) return heat;
  return heat * 2 ** (-elapsedMs / halfLifeMs);
}

/** Heat after one more open. */
export function touched(heat: number, elapsedMs: number, halfLifeMs: number): number {
  return decayed(heat, elapsedMs, halfLifeMs) + 1;
}

export function temperatureOf(heat: number): Temperature {
  if (heat >= HOT_FROM) return 'HOT';
  return heat < COLD_BELOW ? 'COLD' : 'WARM';
}
