/**
 * Free space of a tier's filesystem, as last seen: asked again in the background about once a
 * second, because statfs on a slow medium must not hold up the event loop.
 */
import { statfs } from 'node:fs/promises';

const FRESH_MS = 1000;

export interface Space {
  /** Bytes of the filesystem. */
  size: number;
  /** Bytes that can still be written. */
  available: number;
  /** Bytes in use, by whatever lies there. */
  used: number;
}

export interface SpaceProbe {
  /** As last seen; starts a new look where that is more than a second old. */
  read(): Space;
  /** Looks now. Where statfs fails, what was seen last stays. */
  refresh(): Promise<void>;
}

export function createSpaceProbe(path: string): SpaceProbe {
  let last: Space = { size: 0, available: 0, used: Infinity };
  let seenAt = -Infinity;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    try {
      const { bsize, blocks, bavail, bfree } = await statfs(path);
      const used = (blocks - bfree) * bsize;
      last = { size: blocks * bsize, available: bavail * bsize, used };
    } catch {
      // The marker check says what is wrong with the tier.
    }
    seenAt = performance.now();
    looking = undefined;
  }

  const refresh = (): Promise<void> => (looking ??= look());
  return {
    refresh,
    read() {
      if (performance.now() - seenAt > FRESH_MS) void refresh();
      return last;
    },
  };
}
