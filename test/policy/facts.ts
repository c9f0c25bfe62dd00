/** Facts, tiers and rules for the tables of policy tests. */
import type { Rule } from '../../src/config/rule.js';
import { compileRules, type RuleSet } from '../../src/policy/rules.js';
import type { FileFacts, TierFill } from '../../src/policy/types.js';
import type { SweepInput } from '../../src/policy/wishes.js';

export const MiB = 1024 * 1024;
export const HOUR = 3_600_000;
export const LARGEST_PACKED = 50 * MiB;

/** A model of 1 MiB, plain on nvme, opened once an hour ago. */
export function facts(changes: Partial<FileFacts> = {}): FileFacts {
  return {
    ino: 1,
    path: '/models/base/m.gguf',
    size: MiB,
    bytes: changes.size ?? MiB,
    fileClass: 'model',
    heat: 0.9,
    idleMs: HOUR,
    plainTier: 'nvme',
    packedTier: null,
    pin: null,
    open: false,
    settled: true,
    ...changes,
  };
}

/** Three tiers of 100 MiB; percentages used. */
export function fills(nvme = 10, ssd = 10, hdd = 10): TierFill[] {
  const fill = (name: string, percent: number): TierFill => ({
    name,
    used: percent * MiB,
    free: (100 - percent) * MiB,
    arriving: 0,
    writable: true,
    high: 80,
    low: 60,
  });
  return [fill('nvme', nvme), fill('ssd', ssd), fill('hdd', hdd)];
}

export function ruleSet(
  rules: Rule[] = [],
  promote: 'open' | 'heat' | 'never' = 'open',
  coldAfterMs = 24 * HOUR,
): RuleSet {
  return compileRules({ rules, promote, coldAfterMs }, ['nvme', 'ssd', 'hdd'], LARGEST_PACKED);
}

export function input(changes: Partial<SweepInput> = {}): SweepInput {
  return { tiers: fills(), rules: ruleSet(), settings: { settleMs: 5000 }, ...changes };
}
