/** Files of one size on one tier, out of all that a sweep comes across. */
import type { FileFacts } from '../policy/types.js';

/** Files of one sweep; where there are more, the smallest ones are let go. */
const MAX_CANDIDATES = 100_000;
/** Of one size: each is held against all others. The oldest are looked at. */
const MAX_GROUP = 256;

export interface SizeGroups {
  add(facts: FileFacts): void;
  /** Inode numbers of two and more, the largest files first. */
  groups(): number[][];
}

/** Inode numbers by tier and size. */
export function createSizeGroups(): SizeGroups {
  const bySize = new Map<string, { size: number; inos: number[] }>();
  let count = 0;
  let smallest = 0;

  function letSmallGo(): void {
    while (count > MAX_CANDIDATES) {
      smallest = Math.max(2 * smallest, 1024 * 1024);
      for (const [key, { size, inos }] of bySize) {
        if (size >= smallest) continue;
        count -= inos.length;
        bySize.delete(key);
      }
    }
  }

  return {
    add({ ino, size, plainTier }: FileFacts): void {
      if (size < smallest) return;
      const key = `${plainTier} ${size}`;
      const group = bySize.get(key) ?? { size, inos: [] };
      if (group.inos.length >= MAX_GROUP) return;
      group.inos.push(ino);
      bySize.set(key, group);
      if (++count > MAX_CANDIDATES) letSmallGo();
    },
    groups(): number[][] {
      const several = [...bySize.values()].filter(({ inos }) => inos.length > 1);
      return several.sort((a, b) => b.size - a.size).map(({ inos }) => inos);
    },
  };
}
