/**
 * Files whose moves failed: they are left alone for a while, longer each time, and the reason is kept for whoever asks.
 * Requests by a person are not held back.
 */
import type { Failure } from './types.js';

const FIRST_MS = 30_000;
const LONGEST_MS = 3_600_000;
const MAX_REMEMBERED = 10_000;

export interface Backoff {
  failed(failure: Failure): void;
  succeeded(ino: number): void;
  isHeld(ino: number): boolean;
  /** Newest first. */
  failures(): Iterable<Failure>;
}

export function createBackoff(now: () => number = Date.now): Backoff {
  /** In the order of their last failure. */
  const held = new Map<number, { until: number; waitMs: number; failure: Failure }>();

  return {
    failed(failure) {
      const { ino } = failure;
      const waitMs = Math.min((held.get(ino)?.waitMs ?? FIRST_MS / 2) * 2, LONGEST_MS);
      held.delete(ino);
      held.set(ino, { until: now() + waitMs, waitMs, failure });
      if (held.size > MAX_REMEMBERED) held.delete(held.keys().next().value!);
    },
    succeeded: (ino) => void held.delete(ino),
    isHeld: (ino) => (held.get(ino)?.until ?? 0) > now(),
    failures: () => [...held.values()].reverse().map(({ failure }) => failure),
  };
}
