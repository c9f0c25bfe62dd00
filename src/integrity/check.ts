/** `fsck` and `scrub` as people get them: what was looked at, and one line for each problem. */
import { checkVolume as fsck } from './fsck.js';
import { problemLine, type CheckDeps, type CheckProgress } from './report.js';
import { scrubPacks } from './scrub.js';

export interface CheckLines {
  /** How many of each were looked at. */
  checked: Record<string, number>;
  problems: string[];
}

export async function checkVolume(deps: CheckDeps, progress?: CheckProgress): Promise<CheckLines> {
  const { checked, problems } = await fsck(deps, { deep: false, progress });
  return { checked: { ...checked }, problems: problems.map(problemLine) };
}

export async function scrub(deps: CheckDeps, progress?: CheckProgress): Promise<CheckLines> {
  const { packs, chunks, problems } = await scrubPacks(deps, progress);
  return { checked: { packs, chunks }, problems: problems.map(problemLine) };
}
