/** Plain copies of files, as they are looked at before what they are copies of is given up. */
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { releasedPath } from '../tiers/tier-set.js';
import type { Tier, TierSet } from '../tiers/types.js';

/** Tier ids that a move of a file was between when it was cut off. */
export interface CutMove {
  ino: number;
  source: number;
  target: number;
}

const scratch = new Float64Array(Stat.length);

/** Whether the backing file that the inode names is there with its size, as far as it shows without reading it. */
export function hasPlainCopy(tiers: TierSet, inode: Inode): boolean {
  const tier = tiers.byId(inode.plainTier);
  if (!tier || tier.state === 'missing') return false;
  const stat = statOf(tiers.backingPath(tier, inode.ino));
  return stat !== undefined && (inode.unsettled || stat[Stat.size] === inode.size);
}

/**
 * A copy of a settled file that a move which was cut off has left on another tier: a whole one has its size and time. It is
 * where a backing file is, or was just set aside, or is still where it was built: it gets its time once all of it is written.
 */
export function leftByMove(
  tiers: TierSet,
  inode: Inode,
  moves: readonly CutMove[],
): { tier: Tier; path: string } | undefined {
  if (inode.unsettled) return undefined;
  for (const { ino, source, target } of moves) {
    if (ino !== inode.ino) continue;
    for (const tier of [target, source].flatMap((id) => tiers.byId(id) ?? [])) {
      if (tier.state === 'missing') continue;
      const places = [
        tiers.backingPath(tier, ino),
        releasedPath(tiers, tier, ino),
        tiers.incomingPath(tier, ino),
      ];
      const path = places.find((place) => isAsRecorded(inode, statOf(place)));
      if (path !== undefined) return { tier, path };
    }
  }
  return undefined;
}

/** Valid until the next call. Undefined where nothing is there, or it can't be looked at. */
function statOf(path: string): Float64Array | undefined {
  try {
    native.statPath(path, scratch);
    return scratch;
  } catch {
    return undefined;
  }
}

export function isAsRecorded(inode: Inode, stat: Float64Array | undefined): boolean {
  return (
    stat !== undefined &&
    stat[Stat.size] === inode.size &&
    stat[Stat.mtimeSec] === inode.mtimeSec &&
    stat[Stat.mtimeNsec] === inode.mtimeNsec
  );
}
