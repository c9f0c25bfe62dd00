/** Tiers: each is there, and what is accounted to it is the sum of what lies on it. */
import type { Tier } from '../tiers/types.js';
import { missingTier } from './missing-tiers.js';
import type { CheckDeps, Findings } from './report.js';
import { walkInodes } from './walks.js';

const BLOCK = 512;

export async function checkTiers(deps: CheckDeps, findings: Findings): Promise<void> {
  const plain = await plainByTier(deps);
  // One turn from here on: packs and accounts change together.
  const packed = packedByTier(deps);
  for (const tier of deps.tiers.tiers) {
    const { plainBytes, packedBytes } = deps.tiers.usage(tier);
    if (tier.state === 'missing') findings.report(missingTier(tier));
    reportDifference(tier, 'plain', plainBytes, plain.get(tier.id) ?? 0, findings);
    reportDifference(tier, 'packed', packedBytes, packed.get(tier.id) ?? 0, findings);
  }
}

async function plainByTier({ namespace }: CheckDeps): Promise<Map<number, number>> {
  const bytes = new Map<number, number>();
  for await (const { plainTier, plainBlocks } of walkInodes(namespace)) {
    if (plainTier !== 0) add(bytes, plainTier, plainBlocks * BLOCK);
  }
  return bytes;
}

function packedByTier({ content }: CheckDeps): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const { tier, size } of content.packs()) add(bytes, tier, size);
  return bytes;
}

function add(bytes: Map<number, number>, tier: number, more: number): void {
  bytes.set(tier, (bytes.get(tier) ?? 0) + more);
}

function reportDifference(
  { name }: Tier,
  kind: 'plain' | 'packed',
  accounted: number,
  sum: number,
  { report }: Findings,
): void {
  if (accounted === sum) return;
  const detail = `${accounted} ${kind} bytes are accounted to it; the sum is ${sum}`;
  report({ what: 'account', subject: `tier ${name}`, detail, repair: 'report this as a bug' });
}
