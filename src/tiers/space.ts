/**
 * Free space of a tier's filesystem, as last seen: asked again in the background about once a
 * second, because statfs on a slow medium must not hold up the event loop.
 */
import { type StatsFs, statfsSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';

const FRESH_MS = 1000;
/** A program that creates one file after another on a full tier does not wait for a look each time. */
const ANEW_MS = 100;

export interface Space {
  /** Bytes of the filesystem. */
  size: number;
  /** Bytes that can still be written. */
  available: number;
  /** Bytes in use, by whatever lies there. */
  used: number;
  /** st_dev of the filesystem, or 0. */
  device: number;
}

export interface SpaceProbe {
  /** As last seen; starts a new look where that is more than a second old. */
  read(): Space;
  /** Looks now. Where statfs fails, what was seen last stays. */
  refresh(): Promise<void>;
  /** Looks in this turn, unless that was done just before: where a refusal depends on it. */
  readAnew(): Space;
  /** Something was given back: what was seen is old. */
  expire(): void;
}

export function createSpaceProbe(path: string): SpaceProbe {
  let last: Space = { size: 0, available: 0, used: Infinity, device: 0 };
  let seenAt = -Infinity;
  let looking: Promise<void> | undefined;

  function note({ bsize, blocks, bavail, bfree }: StatsFs, device = last.device): void {
    const used = (blocks - bfree) * bsize;
    last = { size: blocks * bsize, available: bavail * bsize, used, device };
  }

  async function look(): Promise<void> {
    try {
      const { dev } = await stat(path);
      note(await statfs(path), dev);
    } catch {
      // The marker check says what is wrong with the tier.
    }
    seenAt = performance.now();
    looking = undefined;
  }

  function lookNow(): void {
    try {
      note(statfsSync(path));
    } catch {
      // As above.
    }
    seenAt = performance.now();
  }

  const refresh = (): Promise<void> => (looking ??= look());
  return {
    refresh,
    read() {
      if (performance.now() - seenAt > FRESH_MS) void refresh();
      return last;
    },
    readAnew() {
      if (performance.now() - seenAt > ANEW_MS) lookNow();
      return last;
    },
    expire() {
      seenAt = -Infinity;
    },
  };
}
