/** Answers `explain`: the rule that decides, and what comes next. */
import { NOTHING_NEXT, explain as explainFacts } from '../../policy/explain.js';
import type { TierFill } from '../../policy/types.js';
import { plainSharedBytes } from '../../filesystem/shared-bytes.js';
import { isWritable, type Tier } from '../../tiers/types.js';
import { CoralError, ExitCode } from '../../config/errors.js';
import { formatSize } from '../../config/units.js';
import type { ExplainDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { factsOfTarget, findTarget, isFile } from './find.js';
import { whereOf } from './where-file.js';

export async function explain(
  parts: Parts,
  args: Record<string, unknown>,
): Promise<ExplainDocument> {
  const target = findTarget(parts.namespace, args);
  const { inode, path } = target;
  if (!isFile(inode)) {
    throw new CoralError(ExitCode.failed, `${path}: only files have data that moves; name a file`);
  }
  const facts = factsOfTarget(parts, target);
  const placement = parts.rules.placementFor(facts);
  const fills = parts.tiers.tiers.map((tier) => fillOf(parts, tier));
  const { rule, now, next } = explainFacts(facts, placement, fills);
  const sharing = sharingSentence(await plainSharedBytes(parts, inode));
  const where = await whereOf(parts, target);
  const jobs = parts.migration.jobsOf(inode.ino);
  const paused = jobs.length === 0 && next === NOTHING_NEXT ? '' : pausedSentence(parts);
  return { ...where, rule, placement, now: now + sharing, next: next + paused, jobs };
}

function pausedSentence({ migration, plan }: Parts): string {
  if (plan.settings.mount.readOnly)
    return ' The mount is read-only: until it is not, nothing moves.';
  if (migration.status().state !== 'paused') return '';
  return ' Migration is paused: nothing moves until coral-reef migration resume.';
}

function sharingSentence(bytes: number): string {
  return bytes === 0 ? '' : ` ${formatSize(bytes)} of it lie on blocks that other files have too.`;
}

function fillOf(parts: Parts, tier: Tier): TierFill {
  const { watermarks, tierWatermarks } = parts.plan.settings;
  const { used, free } = parts.tiers.usage(tier);
  return {
    name: tier.name,
    used,
    free,
    arriving: 0,
    writable: isWritable(tier),
    ...watermarks,
    ...tierWatermarks[tier.name],
  };
}
