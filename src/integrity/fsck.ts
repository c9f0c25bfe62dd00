/**
 * Checks a volume, in use or not, and changes nothing: namespace, backing files, recipes, chunks, packs
 * and what is accounted to the tiers. Each check is a file of its own.
 */
import { checkBackingFiles, checkLeftOverFiles } from './backing-check.js';
import { checkChunks } from './chunk-check.js';
import { checkEntries, checkInodes } from './namespace-check.js';
import { checkPacks } from './pack-check.js';
import { checkRecipes } from './recipe-check.js';
import {
  identity,
  nothingChecked,
  runCheck,
  type CheckDeps,
  type CheckProgress,
  type FsckReport,
} from './report.js';
import { scrub } from './scrub.js';
import { checkTiers } from './tier-check.js';

const CHECKS = [
  checkTiers,
  checkInodes,
  checkEntries,
  checkBackingFiles,
  checkLeftOverFiles,
  checkRecipes,
  checkChunks,
  checkPacks,
];

export interface FsckOptions {
  /** Reads all that has a checksum as well: the same as `scrub`, which marks damaged chunks. */
  deep: boolean;
  progress?: CheckProgress;
}

export async function checkVolume(deps: CheckDeps, options: FsckOptions): Promise<FsckReport> {
  const report: FsckReport = { checked: nothingChecked(), healed: 0, problems: [] };
  // First: what it heals is no problem any more.
  const found = options.deep ? await scrub(deps, options.progress) : undefined;
  for (const [done, check] of CHECKS.entries()) {
    options.progress?.({ done, total: CHECKS.length });
    await runCheck(check, deps, report);
  }
  if (!found) return report;
  const known = new Set(report.problems.map(identity));
  const others = found.problems.filter((problem) => !known.has(identity(problem)));
  return { ...report, healed: found.healed, problems: [...report.problems, ...others] };
}
