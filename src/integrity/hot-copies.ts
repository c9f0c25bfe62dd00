/** Checks hot copies (`tiers/hot-copy.ts`), and has the packed form take the place of one that rotted. */
import { errnoOf } from '../content/errors.js';
import type { Inode } from '../namespace/types.js';
import { native } from '../native.js';
import { type HotCopy, lookAtHotCopy } from '../tiers/hot-copy.js';
import type { TierWatch } from './missing-tiers.js';
import {
  type CheckDeps,
  type CheckProgress,
  checkRunning,
  nameInode,
  type Problem,
} from './report.js';
import { walkInodes } from './walks.js';

export interface HotCopyReport {
  /** Hot copies read. */
  copies: number;
  /** Damaged ones whose packed form has taken their place. */
  healed: number;
  problems: Problem[];
}

/** Reads each, as its medium has it. Of tiers that are not there `watch` knows. */
export async function scrubHotCopies(
  deps: CheckDeps,
  progress: CheckProgress | undefined,
  watch: TierWatch,
): Promise<HotCopyReport> {
  const report: HotCopyReport = { copies: 0, healed: 0, problems: [] };
  let done = 0;
  for await (const inode of walkInodes(deps.namespace)) {
    checkRunning(deps);
    done++;
    if (!isHotCopy(deps, inode)) continue;
    progress?.({ done, total: deps.namespace.counts.inodes });
    await check(deps, watch, inode, report);
  }
  return report;
}

function isHotCopy({ content }: CheckDeps, inode: Inode): boolean {
  const { ino, plainTier, packedTier, digest, unsettled, nlink } = inode;
  const isBoth = plainTier !== 0 && packedTier !== 0 && digest !== '' && content.hasRecipe(ino);
  return isBoth && !unsettled && nlink > 0;
}

async function check(
  deps: CheckDeps,
  watch: TierWatch,
  before: Inode,
  report: HotCopyReport,
): Promise<void> {
  const { ino, plainTier, digest } = before;
  const tier = deps.tiers.byId(plainTier);
  if (!tier || !watch.isThere(tier)) return;
  const path = deps.tiers.backingPath(tier, ino);
  const found = await look(deps, path, before);
  const isThere = found.state === 'good' || (await watch.isStillThere(tier));
  checkRunning(deps);
  if (!isThere) return;
  const now = deps.namespace.get(ino);
  // Written, moved or deleted meanwhile.
  if (!now || !isHotCopy(deps, now) || now.digest !== digest || now.plainTier !== plainTier) return;
  report.copies++;
  if (found.state === 'good') return;
  const isDropped = found.state === 'rotten' && (await deps.dropHotCopy?.(ino)) === true;
  checkRunning(deps);
  if (isDropped) report.healed++;
  else if (deps.namespace.get(ino)?.nlink) report.problems.push(problemOf(deps, ino, path, found));
}

type Found = Omit<HotCopy, 'state'> & { state: HotCopy['state'] | 'unknown' };

async function look({ stopping }: CheckDeps, path: string, inode: Inode): Promise<Found> {
  try {
    return await lookAtHotCopy(path, inode, (fd) => native.checkFile(fd, stopping));
  } catch (error) {
    return { state: 'unknown', why: `can't be read (${errnoOf(error) ?? String(error)})` };
  }
}

const REPAIRS: Readonly<Record<Found['state'], string>> = {
  good: '',
  rotten: 'close it, and run coral-reef demote on it: its packed form is read and takes its place',
  written: 'open it for writing once to have what is there now count, or restore it from a backup',
  unknown: 'scrub again',
};

function problemOf({ namespace }: CheckDeps, ino: number, path: string, found: Found): Problem {
  const detail = `${path} ${found.why}`;
  const repair = REPAIRS[found.state];
  return { what: 'damaged-copy', subject: nameInode(namespace, ino), detail, repair };
}
