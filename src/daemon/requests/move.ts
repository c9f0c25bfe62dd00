/** Answers `promote` and `demote`: submits a job for each file, and with `wait` follows them. */
import { CoralError, ExitCode, reasonOf } from '../../config/errors.js';
import type { Job } from '../../migration/types.js';
import type { Inode } from '../../namespace/types.js';
import type { Tier } from '../../tiers/types.js';
import type { Progress } from '../control.js';
import type { MoveDocument, MoveProgress } from '../documents.js';
import type { Parts } from '../parts.js';
import { factsOfTarget, findTarget, mustBeWritable, tierArgument, type Target } from './find.js';
import { filesBelow } from './walk.js';

const PROGRESS_MS = 200;
type MoveKind = MoveDocument['kind'];

export async function move(
  kind: MoveKind,
  parts: Parts,
  args: Record<string, unknown>,
  progress: Progress,
): Promise<MoveDocument> {
  mustBeWritable(parts);
  const target = findTarget(parts.namespace, args);
  const to = tierArgument(parts.tiers, args);
  const jobs: Job[] = [];
  let [skipped, tooLarge, bytes] = [0, 0, 0];
  for await (const file of filesBelow(parts.namespace, target)) {
    const { job, keptPlain } = submit(kind, parts, file, to);
    if (keptPlain) tooLarge += 1;
    if (job === null) skipped += 1;
    else jobs.push(job);
    if (job !== null) bytes += file.inode.size;
  }
  if (args['wait'] === true) await follow(parts, jobs, target.path, progress);
  return { path: target.path, kind, files: jobs.length, bytes, skipped, tooLarge, jobs };
}

interface Submitted {
  /** Null where there is nothing to move: also where the file was deleted since it was found. */
  job: Job | null;
  /** Too large to be packed. */
  keptPlain: boolean;
}

function submit(kind: MoveKind, parts: Parts, file: Target, to: Tier | undefined): Submitted {
  const inode = parts.namespace.get(file.inode.ino);
  if (inode === undefined || inode.nlink === 0) return { job: null, keptPlain: false };
  if (inode.plainTier === 0 && inode.packedTier === 0) return { job: null, keptPlain: false };
  const facts = factsOfTarget(parts, file);
  const placement = parts.rules.placementFor(facts);
  const tier = to?.name ?? (kind === 'promote' ? placement.tier : placement.cold);
  const pack = kind === 'demote' && placement.pack;
  const keptPlain = kind === 'demote' && placement.tooLarge;
  if (isThere(kind, parts, inode, tier, pack)) return { job: null, keptPlain };
  const options = { pack, because: `asked for by ${kind}`, urgent: true };
  return { job: parts.migration.submit(kind, inode.ino, tier, options), keptPlain };
}

function isThere(kind: MoveKind, parts: Parts, inode: Inode, tier: string, pack: boolean): boolean {
  const id = parts.tiers.byName(tier)?.id;
  if (kind === 'promote' || !pack) return inode.plainTier === id;
  return inode.plainTier === 0 && inode.packedTier === id;
}

/** @throws CoralError with the first failure, after all have ended */
async function follow(
  parts: Parts,
  jobs: readonly Job[],
  path: string,
  progress: Progress,
): Promise<void> {
  let finished = 0;
  const failures: string[] = [];
  const timer = setInterval(() => progress(progressOf(jobs, finished)), PROGRESS_MS);
  const each = jobs.map(async (job) => {
    try {
      await parts.migration.finished(job);
    } catch (error) {
      failures.push(job.error ?? reasonOf(error));
    }
    finished += 1;
  });
  await Promise.all(each);
  clearInterval(timer);
  progress(progressOf(jobs, finished));
  if (failures.length === 0) return;
  const count = failures.length === 1 ? '' : `${failures.length} of ${jobs.length} failed; first: `;
  throw new CoralError(ExitCode.failed, `${path}: ${count}${failures[0]}`);
}

function progressOf(jobs: readonly Job[], finished: number): MoveProgress {
  let [done, total] = [0, 0];
  for (const job of jobs) {
    done += job.state === 'done' ? job.total : job.done;
    total += job.total;
  }
  return { done, total, finished, files: jobs.length };
}
