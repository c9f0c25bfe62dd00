/**
 * Wishes: what should move, from the facts of all files and the fill of all tiers. A sweep offers
 * each file once, in any order, then asks what the watermarks still want.
 *
 * Damping, so that nothing moves back and forth: files opened lately go by watermark only where
 * nothing else is left; heat brings a file up only into room below the low watermark; cold-after
 * looks at idle time alone, and heat does not bring up what is idle that long.
 */
import type { Settings } from '../config/types.js';
import { createDrain, type Drain } from './drain.js';
import { createLedger, type Ledger } from './fill.js';
import { PROMOTE_FROM } from './heat.js';
import type { RuleSet } from './rules.js';
import type { FileFacts, Placement, TierFill, Wish } from './types.js';

export interface SweepInput {
  /** Fastest first. */
  tiers: readonly TierFill[];
  rules: RuleSet;
  settings: Pick<Settings, 'settleMs'>;
}

export interface Sweep {
  /** What this file's own facts ask for. */
  offer(facts: FileFacts): Wish | null;
  /** What the watermarks want beyond that, coldest first. Once, after all files. */
  finish(): Wish[];
}

export function wishesFor(files: Iterable<FileFacts>, input: SweepInput): Wish[] {
  const sweep = createSweep(input);
  const wishes: Wish[] = [];
  for (const facts of files) {
    const wish = sweep.offer(facts);
    if (wish) wishes.push(wish);
  }
  return [...wishes, ...sweep.finish()];
}

export function createSweep({ tiers, rules, settings }: SweepInput): Sweep {
  const ledger = createLedger(tiers);
  const drains: Drain[] = [];
  for (const tier of tiers) {
    const excess = ledger.excess(tier.name);
    if (excess > 0) drains.push(createDrain(tier, excess, ledger));
  }

  return {
    offer(facts) {
      const placement = rules.placementFor(facts);
      const wish = wishFor(facts, placement, ledger, settings.settleMs);
      if (wish) {
        for (const drain of drains) drain.goes(facts);
        // Going back to a packed form that is there already takes no space.
        if (wish.tier !== facts.packedTier) ledger.add(wish.tier, facts.bytes);
      } else if (canDrain(facts, placement, settings.settleMs)) {
        for (const drain of drains) drain.offer(facts, placement);
      }
      return wish;
    },
    finish: () => drains.flatMap((drain) => drain.wishes()),
  };
}

/** What one file asks for by pin, idle time or heat; null for nothing. */
export function wishFor(
  facts: FileFacts,
  placement: Placement,
  ledger: Ledger,
  settleMs: number,
): Wish | null {
  if (facts.open || (facts.plainTier === null && facts.packedTier === null)) return null;
  if (facts.pin !== null) return pinWish(facts, facts.pin, ledger);
  if (facts.idleMs < settleMs) return null;
  return coldWish(facts, placement, ledger) ?? heatWish(facts, placement, ledger);
}

function pinWish(facts: FileFacts, pin: string, ledger: Ledger): Wish | null {
  if (facts.plainTier === pin || !ledger.fits(pin, facts.bytes)) return null;
  const because = `pinned to ${pin}`;
  const down = facts.plainTier !== null && ledger.rank(facts.plainTier) < ledger.rank(pin);
  return down
    ? { kind: 'demote', ino: facts.ino, tier: pin, pack: false, because }
    : { kind: 'promote', ino: facts.ino, tier: pin, because };
}

function coldWish(facts: FileFacts, placement: Placement, ledger: Ledger): Wish | null {
  if (placement.demote === 'never' || facts.idleMs < placement.coldAfterMs) return null;
  const tier = coldTarget(facts, placement, ledger);
  if (tier === null) return null;
  const because =
    placement.coldAfterMs === 0
      ? placement.because
      : `nobody opened it for ${seconds(facts.idleMs)} (cold-after ${seconds(placement.coldAfterMs)})`;
  return { kind: 'demote', ino: facts.ino, tier, pack: placement.pack, because };
}

/** Where a cold file goes, or null where it is there already or there is no room. */
function coldTarget(facts: FileFacts, placement: Placement, ledger: Ledger): string | null {
  const at = ledger.rank(facts.plainTier ?? facts.packedTier);
  const cold = ledger.rank(placement.cold);
  if (!placement.pack) {
    const done = facts.plainTier === null || at >= cold;
    return done || !ledger.fits(placement.cold, facts.bytes) ? null : placement.cold;
  }
  // An empty file has no packed form: where it is slow enough it stays as it is.
  if ((facts.plainTier === null || facts.size === 0) && at >= cold) return null;
  // A packed form that is slow enough already is kept: dropping the hot copy is all there is to do.
  const packed = ledger.rank(facts.packedTier);
  const target = facts.plainTier === null ? cold : Math.max(at, cold, packed);
  const { name, writable } = ledger.tiers[target];
  return writable ? name : null;
}

function heatWish(facts: FileFacts, placement: Placement, ledger: Ledger): Wish | null {
  const { tier, promote, coldAfterMs } = placement;
  if (promote !== 'heat' || facts.heat < PROMOTE_FROM) return null;
  if (facts.idleMs >= coldAfterMs && placement.demote !== 'never') return null;
  if (facts.plainTier !== null && ledger.rank(facts.plainTier) <= ledger.rank(tier)) return null;
  if (!ledger.staysBelow(tier, facts.bytes, ledger.tiers[ledger.rank(tier)].low)) return null;
  const because = `opened often: heat ${facts.heat.toFixed(2)}, from ${PROMOTE_FROM} it comes up`;
  return { kind: 'promote', ino: facts.ino, tier, because };
}

function canDrain(facts: FileFacts, placement: Placement, settleMs: number): boolean {
  if (facts.open || placement.demote === 'never' || facts.pin !== null) return false;
  return facts.idleMs >= settleMs && facts.size > 0;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
