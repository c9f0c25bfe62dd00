/** Says in sentences why a file is where it is and what happens to it next. For `explain`. */
import { fillPercent } from './fill.js';
import { PROMOTE_FROM } from './heat.js';
import type { FileFacts, Placement, TierFill } from './types.js';

export interface Explanation {
  /** The rule that decides. */
  rule: string;
  /** Where it is and in which form. */
  now: string;
  /** What will move it next and when; or why nothing does. */
  next: string;
}

export const NOTHING_NEXT = 'Nothing moves it.';

/** `tiers` fastest first. */
export function explain(
  facts: FileFacts,
  placement: Placement,
  tiers: readonly TierFill[],
): Explanation {
  return {
    rule: facts.pin === null ? placement.because : `pinned to ${facts.pin}`,
    now: nowOf(facts),
    next: nextOf(facts, placement, tiers).join(' '),
  };
}

function nowOf({ plainTier, packedTier, size }: FileFacts): string {
  if (plainTier !== null && packedTier !== null) {
    return `It is plain on ${plainTier}, and packed on ${packedTier} as well: going down costs nothing.`;
  }
  if (plainTier !== null) return `It is plain on ${plainTier}.`;
  if (packedTier !== null) return `It is packed on ${packedTier}.`;
  if (size > 0) return 'Its data was lost with its tier: restore it from a backup, or delete it.';
  return 'It is empty and has no data on any tier.';
}

function nextOf(facts: FileFacts, placement: Placement, tiers: readonly TierFill[]): string[] {
  if (facts.plainTier === null && facts.packedTier === null) return [NOTHING_NEXT];
  if (facts.pin !== null) return [pinSentence(facts, facts.pin)];
  const sentences = [coldSentence(facts, placement, tiers), upSentence(facts, placement, tiers)];
  const drain = drainSentence(facts, placement, tiers);
  const said = [...sentences, drain].filter((sentence) => sentence !== '');
  if (said.length === 0) return [NOTHING_NEXT];
  return facts.open ? [...said, 'It is open: a move ends when the last handle closes.'] : said;
}

function pinSentence(facts: FileFacts, pin: string): string {
  if (facts.plainTier === pin) return 'Nothing moves it while it is pinned.';
  return `It is about to be made plain on ${pin}, and stays there while it is pinned.`;
}

function coldSentence(facts: FileFacts, placement: Placement, tiers: readonly TierFill[]): string {
  if (placement.demote === 'never') return 'Neither time nor watermarks move it down.';
  const rank = (name: string | null): number => tiers.findIndex((tier) => tier.name === name);
  const at = rank(facts.plainTier ?? facts.packedTier);
  const settled = facts.plainTier === null || !placement.pack;
  if (settled && at >= rank(placement.cold)) return '';
  const what = placement.pack ? 'packed' : 'moved';
  if (placement.coldAfterMs === 0)
    return `It is ${what} to ${placement.cold} as soon as it settles.`;
  const left = placement.coldAfterMs - facts.idleMs;
  const when = left > 0 ? `If nobody opens it for another ${duration(left)}` : 'At the next sweep';
  return `${when}, it is ${what} to ${placement.cold} (cold-after).`;
}

function upSentence(facts: FileFacts, placement: Placement, tiers: readonly TierFill[]): string {
  const rank = (name: string): number => tiers.findIndex((tier) => tier.name === name);
  if (facts.plainTier !== null && rank(facts.plainTier) <= rank(placement.tier)) return '';
  switch (placement.promote) {
    case 'open':
      return `When it is opened it comes up to ${placement.tier} (promote=open).`;
    case 'heat':
      return `At heat ${PROMOTE_FROM} it comes up to ${placement.tier}; it is at ${facts.heat.toFixed(2)} (promote=heat).`;
    case 'never':
      return 'Opening it does not bring it up (promote=never).';
  }
}

function drainSentence(facts: FileFacts, placement: Placement, tiers: readonly TierFill[]): string {
  const tier = tiers.find(({ name }) => name === (facts.plainTier ?? facts.packedTier));
  if (!tier || placement.demote === 'never') return '';
  // On the slowest tier packing is what frees space.
  const slowest = tier === tiers.at(-1);
  if (slowest && (facts.plainTier === null || !placement.pack)) return '';
  const what = slowest ? 'files are packed' : 'files go down';
  const order = { auto: 'coldest first', first: 'this one among the first', last: 'this one last' };
  const percent = fillPercent(tier);
  const level = `${tier.name} is ${percent.toFixed(0)} percent full`;
  if (percent <= tier.high)
    return `${level}; above ${tier.high} ${what}, ${order[placement.demote]}.`;
  return `${level}, above ${tier.high}: ${what} until ${tier.low}, ${order[placement.demote]}.`;
}

function duration(ms: number): string {
  const units = [
    { length: 86_400_000, word: 'day' },
    { length: 3_600_000, word: 'hour' },
    { length: 60_000, word: 'minute' },
  ];
  const unit = units.find(({ length }) => ms >= length) ?? { length: 1000, word: 'second' };
  const count = Math.max(1, Math.round(ms / unit.length));
  return `${count} ${unit.word}${count === 1 ? '' : 's'}`;
}
