/**
 * Hot copies: plain files that are packed as well. Of all plain data only they have a checksum: whoever opens one for
 * writing gives the packed form up first, durably, so that one which differs has rotted; unless its time of change
 * says that somebody wrote past Coral Reef.
 */
import { constants } from 'node:fs';
import { errnoOf } from '../content/errors.js';
import type { Inode } from '../namespace/types.js';
import { native, Stat } from '../native.js';
import { isWrittenSince } from '../tiers/backing-times.js';
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

/** Reads each, as its medium has it. */
export async function scrubHotCopies(
  deps: CheckDeps,
  progress?: CheckProgress,
): Promise<HotCopyReport> {
  const report: HotCopyReport = { copies: 0, healed: 0, problems: [] };
  let done = 0;
  for await (const inode of walkInodes(deps.namespace)) {
    checkRunning(deps);
    done++;
    if (!isHotCopy(inode)) continue;
    progress?.({ done, total: deps.namespace.counts.inodes });
    await check(deps, inode, report);
  }
  return report;
}

function isHotCopy({ plainTier, packedTier, digest, unsettled, nlink }: Inode): boolean {
  return plainTier !== 0 && packedTier !== 0 && digest !== '' && !unsettled && nlink > 0;
}

async function check(deps: CheckDeps, before: Inode, report: HotCopyReport): Promise<void> {
  const { ino, plainTier, digest } = before;
  const tier = deps.tiers.byId(plainTier);
  if (!tier || tier.state === 'missing') return;
  const path = deps.tiers.backingPath(tier, ino);
  const found = await look(deps, path, before);
  checkRunning(deps);
  const now = deps.namespace.get(ino);
  // Written, moved or deleted meanwhile.
  if (!now || !isHotCopy(now) || now.digest !== digest || now.plainTier !== plainTier) return;
  report.copies++;
  if (found.state === 'good') return;
  const isDropped = found.state === 'rotten' && (await deps.dropHotCopy?.(ino)) === true;
  checkRunning(deps);
  if (isDropped) report.healed++;
  else if (deps.namespace.get(ino)?.nlink) report.problems.push(problemOf(deps, ino, path, found));
}

interface Found {
  state: 'good' | 'rotten' | 'written' | 'unknown';
  /** One line, of what is not good. */
  why: string;
}

/** As a demotion of it does (`migration/packed.ts`). */
async function look({ stopping }: CheckDeps, path: string, inode: Inode): Promise<Found> {
  try {
    const { O_RDONLY, O_NOATIME, O_NOFOLLOW } = constants;
    const fd = await native.open(path, O_RDONLY | O_NOATIME | O_NOFOLLOW, 0);
    try {
      const found = (await native.checkFile(fd, stopping)).digest.toString('hex');
      if (found === inode.digest) return { state: 'good', why: '' };
      native.statFd(fd, stat);
      if (isWrittenSince(inode, stat))
        return { state: 'written', why: 'was written past Coral Reef' };
      return { state: 'rotten', why: 'is not what was packed' };
    } finally {
      native.close(fd);
    }
  } catch (error) {
    const code = errnoOf(error) ?? String(error);
    const isMedium = code === 'EIO' || code === 'ENOENT';
    return { state: isMedium ? 'rotten' : 'unknown', why: `can't be read (${code})` };
  }
}

const stat = new Float64Array(Stat.length);

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
