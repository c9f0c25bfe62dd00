/**
 * Draining one tier that is above its high watermark: collects what could go, keeps the coldest
 * that suffice, and finds each a place.
 */
import type { Ledger } from './fill.js';
import { fillPercent } from './fill.js';
import { temperatureOf } from './heat.js';
import type { FileFacts, Placement, TierFill, Wish } from './types.js';

/** Opened within this time, a file goes only where nothing else is left (or within cold-after). */
const RECENT_MS = 10 * 60_000;
/** Candidates kept before the list is cut to the coldest that suffice. */
const MAX_CANDIDATES = 4096;

export interface Drain {
  /** A file that may go. */
  offer(facts: FileFacts, placement: Placement): void;
  /** A file that goes anyway. */
  goes(facts: FileFacts): void;
  wishes(): Wish[];
}

interface Candidate {
  ino: number;
  bytes: number;
  heat: number;
  idleMs: number;
  recent: boolean;
  rank: number;
  plain: boolean;
  packedTier: string | null;
  cold: string;
  pack: boolean;
}

export function createDrain(tier: TierFill, excess: number, ledger: Ledger): Drain {
  let missing = excess;
  let candidates: Candidate[] = [];
  const because = `tier ${tier.name} is ${fillPercent(tier).toFixed(0)} percent full, above ${tier.high}`;

  function wishOf(candidate: Candidate): Wish | null {
    const target = drainTarget(candidate, tier, ledger);
    if (target === null) return null;
    const pack = candidate.pack || !candidate.plain;
    return { kind: 'demote', ino: candidate.ino, tier: target, pack, because };
  }

  return {
    goes(facts) {
      if ((facts.plainTier ?? facts.packedTier) === tier.name) missing -= facts.bytes;
    },
    offer(facts, placement) {
      if ((facts.plainTier ?? facts.packedTier) !== tier.name) return;
      candidates.push(candidateOf(facts, placement));
      if (candidates.length >= MAX_CANDIDATES) candidates = coldestThatSuffice(candidates, missing);
    },
    wishes() {
      const wishes: Wish[] = [];
      for (const candidate of candidates.sort(coldestFirst)) {
        if (missing <= 0) break;
        const wish = wishOf(candidate);
        if (!wish) continue;
        wishes.push(wish);
        if (wish.tier !== tier.name) ledger.add(wish.tier, candidate.bytes);
        missing -= candidate.bytes;
      }
      return wishes;
    },
  };
}

function candidateOf(facts: FileFacts, placement: Placement): Candidate {
  const { ino, bytes, heat, idleMs, packedTier } = facts;
  return {
    ino,
    bytes,
    heat,
    idleMs,
    recent: idleMs < Math.min(RECENT_MS, placement.coldAfterMs),
    rank: placement.demote === 'first' ? 0 : placement.demote === 'last' ? 2 : 1,
    plain: facts.plainTier !== null,
    packedTier,
    cold: placement.cold,
    pack: placement.pack,
  };
}

function coldestFirst(a: Candidate, b: Candidate): number {
  if (a.recent !== b.recent) return a.recent ? 1 : -1;
  return a.rank - b.rank || a.heat - b.heat || b.idleMs - a.idleMs || a.ino - b.ino;
}

/** At least half of the list's limit is kept: some of them may find no place. */
function coldestThatSuffice(candidates: Candidate[], bytes: number): Candidate[] {
  candidates.sort(coldestFirst);
  let sum = 0;
  let count = 0;
  while (count < candidates.length && (sum < bytes || count < MAX_CANDIDATES / 2)) {
    sum += candidates[count++].bytes;
  }
  return candidates.slice(0, count);
}

/**
 * A clean hot copy goes by forgetting it; cold data goes where its rule sends it; the rest to the
 * nearest slower tier that stays below its own watermark. On the slowest tier, packing is what
 * frees space.
 */
function drainTarget(file: Candidate, tier: TierFill, ledger: Ledger): string | null {
  const here = ledger.rank(tier.name);
  if (file.plain && file.pack && ledger.rank(file.packedTier) >= here) return file.packedTier;
  const slower = ledger.tiers.slice(here + 1);
  const cold = temperatureOf(file.heat) === 'COLD' ? file.cold : null;
  const preferred = slower.find(({ name }) => name === cold);
  const ordered = preferred ? [preferred, ...slower.filter((t) => t !== preferred)] : slower;
  const place =
    ordered.find((t) => ledger.staysBelow(t.name, file.bytes, t.high)) ??
    slower.toReversed().find((t) => ledger.fits(t.name, file.bytes));
  if (place) return place.name;
  return file.plain && file.pack && slower.length === 0 ? tier.name : null;
}
