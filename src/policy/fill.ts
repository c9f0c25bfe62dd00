/**
 * The ledger of one sweep: how full each tier would be once what was wished so far is done. A tier
 * that it shares with others counts as the part that this volume has or could have: used plus free.
 */
import type { TierFill } from './types.js';

export interface Ledger {
  /** Position of a tier, fastest 0; -1 where there is none of that name. */
  rank(name: string | null): number;
  readonly tiers: readonly TierFill[];
  add(name: string, bytes: number): void;
  /** True where so many more bytes leave the tier at or below `percent`. */
  staysBelow(name: string, bytes: number, percent: number): boolean;
  /** True where so many more bytes find room at all. */
  fits(name: string, bytes: number): boolean;
  /** Bytes that have to go until the tier is at its low watermark; 0 where it is not above high. */
  excess(name: string): number;
}

export function createLedger(fills: readonly TierFill[]): Ledger {
  const tiers = fills.map((fill) => ({ ...fill }));
  const byName = new Map(tiers.map((tier, index) => [tier.name, { tier, index }]));
  const find = (name: string): TierFill | undefined => byName.get(name)?.tier;

  return {
    tiers,
    rank: (name) => (name === null ? -1 : (byName.get(name)?.index ?? -1)),
    add(name, bytes) {
      const tier = find(name);
      if (tier) tier.arriving += bytes;
    },
    staysBelow(name, bytes, percent) {
      const tier = find(name);
      return !!tier?.writable && filled(tier) + bytes <= (total(tier) * percent) / 100;
    },
    fits(name, bytes) {
      const tier = find(name);
      return !!tier?.writable && tier.arriving + bytes < tier.free;
    },
    excess(name) {
      const tier = find(name);
      if (!tier || filled(tier) <= (total(tier) * tier.high) / 100) return 0;
      return filled(tier) - (total(tier) * tier.low) / 100;
    },
  };
}

/** Percent of what the volume has or could have there. */
export function fillPercent(tier: TierFill): number {
  return total(tier) === 0 ? 0 : (100 * filled(tier)) / total(tier);
}

function filled(tier: TierFill): number {
  return tier.used + tier.arriving;
}

function total(tier: TierFill): number {
  return tier.used + tier.free;
}
