/**
 * Hot copies: plain files that are packed as well. Of all plain data only they have a checksum: whoever opens one for
 * writing gives the packed form up first, durably, so that one which differs has rotted; unless its time of change
 * says that somebody wrote past Coral Reef.
 */
import { constants } from 'node:fs';
import { errnoOf } from '../content/errors.js';
import type { Inode } from '../namespace/types.js';
import { native, Stat } from '../native.js';
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
  if (found.state === 'rotten' && (await deps.dropHotCopy?.(ino))) report.healed++;
  else report.problems.push(problemOf(deps, ino, path, found));
}

interface Found {
  state: 'good' | 'rotten' | 'written';
  /** One line, of what is not good. */
  why: string;
}

/** As a demotion of it does (`migration/packed.ts`). */
async function look(
  { stopping }: CheckDeps,
  path: string,
  { digest, mtimeSec, mtimeNsec }: Inode,
): Promise<Found> {
  try {
    const { O_RDONLY, O_NOATIME, O_NOFOLLOW } = constants;
    const fd = await native.open(path, O_RDONLY | O_NOATIME | O_NOFOLLOW, 0);
    try {
      const found = (await native.checkFile(fd, stopping)).digest.toString('hex');
      if (found === digest) return { state: 'good', why: '' };
      native.statFd(fd, stat);
      const isWritten = stat[Stat.mtimeSec] !== mtimeSec || stat[Stat.mtimeNsec] !== mtimeNsec;
      if (isWritten) return { state: 'written', why: 'was written past Coral Reef' };
      return { state: 'rotten', why: 'is not what was packed' };
    } finally {
      native.close(fd);
    }
  } catch (error) {
    return { state: 'rotten', why: `can't be read (${errnoOf(error) ?? String(error)})` };
  }
}

const stat = new Float64Array(Stat.length);

function problemOf(
  { namespace }: CheckDeps,
  ino: number,
  path: string,
  { state, why }: Found,
): Problem {
  const then =
    state === 'written' ? 'packs what is there now' : 'uses its packed form, if that is good';
  return {
    what: 'damaged-copy',
    subject: nameInode(namespace, ino),
    detail: `${path} ${why}`,
    repair: `close it; coral-reef demote ${then}`,
  };
}
