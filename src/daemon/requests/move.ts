/** Answers `promote` and `demote`: submits a job for each file, and with `wait` follows them. */
import { CoralError, ExitCode, reasonOf } from '../../config/errors.js';
import { bytesOf, shown } from '../../config/mountinfo.js';
import type { Job, JobState } from '../../migration/types.js';
import { pinHolder } from '../../namespace/pins.js';
import type { Inode } from '../../namespace/types.js';
import type { Tier } from '../../tiers/types.js';
import type { Progress } from '../control.js';
import type { MoveDocument, MoveProgress } from '../documents.js';
import type { Parts } from '../parts.js';
import {
  factsOfTarget,
  findTarget,
  isFile,
  mustBeWritable,
  tierArgument,
  type Target,
} from './find.js';
import { filesBelow } from './walk.js';

const PROGRESS_MS = 200;
const ENDED: readonly JobState[] = ['done', 'failed', 'cancelled'];
type MoveKind = MoveDocument['kind'];
const DONE = { promote: 'promoted', demote: 'demoted' } as const;

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
  const left = { nothing: 0, pinned: 0 };
  let [tooLarge, bytes] = [0, 0];
  for await (const file of filesBelow(parts.namespace, target)) {
    const { job, keptPlain } = submit(kind, parts, file, to);
    if (keptPlain) tooLarge += 1;
    if (job === 'pinned' && isFile(target.inode)) throw pinnedError(kind, parts, target);
    if (typeof job === 'string') left[job] += 1;
    else {
      jobs.push(job);
      bytes += file.inode.size;
    }
  }
  if (args['wait'] === true) await follow(parts, jobs, target.path, progress);
  const { nothing: skipped, ...stay } = left;
  return { path: target.path, kind, files: jobs.length, bytes, skipped, ...stay, tooLarge, jobs };
}

/** `nothing`: there is nothing to move, also where the file was deleted since it was found. */
type Left = 'nothing' | 'pinned';

interface Submitted {
  job: Job | Left;
  /** Too large to be packed. */
  keptPlain: boolean;
}

function submit(kind: MoveKind, parts: Parts, file: Target, to: Tier | undefined): Submitted {
  const inode = parts.namespace.get(file.inode.ino);
  if (inode === undefined || inode.nlink === 0) return { job: 'nothing', keptPlain: false };
  if (inode.plainTier === 0 && inode.packedTier === 0) return { job: 'nothing', keptPlain: false };
  const facts = factsOfTarget(parts, file);
  const placement = parts.rules.placementFor(facts);
  const tier = to?.name ?? (kind === 'promote' ? placement.tier : placement.cold);
  // What is pinned is plain: packed, it would be brought back by its pin.
  const pack = kind === 'demote' && placement.pack && facts.pin === null;
  const keptPlain = kind === 'demote' && placement.tooLarge;
  if (isThere(kind, parts, inode, tier, pack)) return { job: 'nothing', keptPlain };
  if (facts.pin !== null && facts.pin !== tier) return { job: 'pinned', keptPlain: false };
  const options = { pack, because: `asked for by ${kind}`, urgent: true };
  return { job: parts.migration.submit(kind, inode.ino, tier, options), keptPlain };
}

/** Its pin would bring it back. */
function pinnedError(kind: MoveKind, parts: Parts, { inode, path }: Target): CoralError {
  const { namespace, tiers, plan } = parts;
  const holder = pinHolder(namespace, inode.ino) ?? inode;
  const own = holder.ino === inode.ino;
  const where = own ? path : shown(`${bytesOf(plan.mountpoint)}${namespace.pathOf(holder.ino)}`);
  const tier = tiers.byId(holder.pin)?.name ?? 'a tier that is gone';
  return new CoralError(
    ExitCode.failed,
    `${path}: it can't be ${DONE[kind]}: ${own ? 'it' : where} is pinned to ${tier}. ` +
      `First: coral-reef unpin ${where}`,
  );
}

function isThere(kind: MoveKind, parts: Parts, inode: Inode, tier: string, pack: boolean): boolean {
  const id = parts.tiers.byName(tier)?.id;
  if (kind === 'promote' || !pack) return inode.plainTier === id;
  return inode.plainTier === 0 && inode.packedTier === id;
}

/** @throws CoralError with the first failure, after all have ended */
export async function follow(
  parts: Parts,
  jobs: readonly Job[],
  path: string,
  progress: Progress,
): Promise<void> {
  if (jobs.length === 0) return;
  let finished = 0;
  const failures: string[] = [];
  const timer = setInterval(() => progress(progressOf(parts, jobs, finished)), PROGRESS_MS);
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
  progress(progressOf(parts, jobs, finished));
  if (failures.length === 0) return;
  const count = failures.length === 1 ? '' : `${failures.length} of ${jobs.length} failed; first: `;
  throw new CoralError(ExitCode.failed, `${path}: ${count}${failures[0]}`);
}

function progressOf(parts: Parts, jobs: readonly Job[], finished: number): MoveProgress {
  let [done, total] = [0, 0];
  for (const job of jobs) {
    done += job.state === 'done' ? job.total : job.done;
    total += job.total;
  }
  return { done, total, finished, files: jobs.length, waits: waitOf(parts, jobs) };
}

/** Of files that are open nothing is said while others still move. */
function waitOf(
  { plan, migration, namespace }: Parts,
  jobs: readonly Job[],
): MoveProgress['waits'] {
  const left = jobs.filter(({ state }) => !ENDED.includes(state));
  if (left.length === 0) return null;
  const { mountpoint, settings } = plan;
  if (settings.mount.readOnly) {
    const text = `${mountpoint} became read-only, so nothing moves; mount -o remount,rw ${mountpoint}`;
    return { for: 'read-only', text };
  }
  if (migration.status().state === 'paused') {
    const text = `moves are paused; coral-reef migration resume ${mountpoint} lets them go on`;
    return { for: 'paused', text };
  }
  if (left.some(({ state }) => state !== 'waiting-for-close')) return null;
  const path = Buffer.from(namespace.pathOf(left[0].ino) ?? '', 'latin1').toString('utf8');
  const others = left.length === 1 ? '' : ` (and ${left.length - 1} more)`;
  return { for: 'open', text: `${mountpoint}${path}${others} is open; it moves once it is closed` };
}
