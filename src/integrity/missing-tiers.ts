/** Tiers whose disk is not there. What lies on one can't be checked: a check that leaves it out has to say so. */
import type { Tier, TierSet } from '../tiers/types.js';
import type { Problem } from './report.js';

export interface TierWatch {
  /** Whether it is there, as far as is known. */
  isThere(tier: Tier): boolean;
  /** The same, after a fresh look at its marker: what could not be read on a disk that fell out is no damage. */
  isStillThere(tier: Tier): Promise<boolean>;
  /** One for each tier that was not there when it was asked for, or is not there now. */
  problems(): Problem[];
}

export function watchTiers(set: TierSet): TierWatch {
  const missing = new Map<number, Problem>();
  const isThere = (tier: Tier): boolean => {
    if (tier.state !== 'missing') return true;
    if (!missing.has(tier.id)) missing.set(tier.id, missingTier(tier));
    return false;
  };
  return {
    isThere,
    async isStillThere(tier) {
      await set.refresh();
      return isThere(tier);
    },
    problems() {
      set.tiers.forEach(isThere);
      return [...missing.values()];
    },
  };
}

export function missingTier({ name, problem }: Tier): Problem {
  const detail = problem ?? 'its disk is not there';
  return { what: 'no-tier', subject: `tier ${name}`, detail, repair: 'bring its disk back' };
}
