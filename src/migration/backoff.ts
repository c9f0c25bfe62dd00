/**
 * Files whose moves failed are left alone for a while, longer each time. Requests by a person are
 * not.
 */

const FIRST_MS = 30_000;
const LONGEST_MS = 3_600_000;
const MAX_REMEMBERED = 10_000;

export interface Backoff {
  failed(ino: number): void;
  succeeded(ino: number): void;
  isHeld(ino: number): boolean;
}

export function createBackoff(now: () => number = Date.now): Backoff {
  const held = new Map<number, { until: number; waitMs: number }>();

  return {
    failed(ino) {
      const waitMs = Math.min((held.get(ino)?.waitMs ?? FIRST_MS / 2) * 2, LONGEST_MS);
      held.delete(ino);
      held.set(ino, { until: now() + waitMs, waitMs });
      if (held.size > MAX_REMEMBERED) held.delete(held.keys().next().value!);
    },
    succeeded: (ino) => void held.delete(ino),
    isHeld: (ino) => (held.get(ino)?.until ?? 0) > now(),
  };
}
