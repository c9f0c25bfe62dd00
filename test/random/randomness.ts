/** What every random tester needs: a seed to replay, how long to go on, and weighted choices. */
import { existsSync, readFileSync } from 'node:fs';
import {
  randomBytes,
  randomChoices,
  type RandomBytes,
} from '../../scripts/fixtures/random-bytes.js';
import { seed } from '../seed.js';

/** `OPERATIONS` makes a run as long as one likes. */
export const operations = (short: number): number => Number(process.env['OPERATIONS'] ?? short);

/** No deadline of its own that a long run by hand could reach. */
export const timeoutMs = process.env['OPERATIONS'] === undefined ? 300_000 : 24 * 3_600_000;

export interface Chance {
  below(limit: number): number;
  /** From `low` to `high`, both included. */
  between(low: number, high: number): number;
  oneIn(count: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A small number most of the time, up to `limit`. */
  skewed(limit: number): number;
  readonly bytes: RandomBytes;
}

export function createChance(from: number): Chance {
  const below = randomChoices(from);
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    oneIn: (count) => below(count) === 0,
    pick: (items) => items[below(items.length)],
    skewed: (limit) => below(1 + below(1 + below(limit))),
    bytes: randomBytes(from + 1),
  };
}

export type Weighted<T> = readonly (readonly [weight: number, item: T])[];

export function pickWeighted<T>(chance: Chance, table: Weighted<T>): T {
  const total = table.reduce((sum, [weight]) => sum + weight, 0);
  let left = chance.below(total);
  for (const [weight, item] of table) {
    left -= weight;
    if (left < 0) return item;
  }
  throw new Error('the weights are not positive');
}

/** The last things that were done, for the message of a failure. */
export class Journal {
  private readonly lines: string[] = [];
  private count = 0;

  note(...words: (string | number)[]): void {
    this.lines.push(`${String(++this.count)} ${words.join(' ').replace(/n{9,}/g, 'n…')}`);
    if (this.lines.length > 60) this.lines.shift();
  }

  /** Adds the seed, the journal and the daemon's last words to whatever went wrong. */
  explain(error: unknown, daemonLog: string): Error {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const log = existsSync(daemonLog) ? readFileSync(daemonLog, 'utf8') : '';
    const said = log.split('\n').slice(-20).join('\n');
    return new Error(`SEED=${String(seed)}\n${this.lines.join('\n')}\n${reason}\n${said}`);
  }
}
