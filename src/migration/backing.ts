/** Backing files in a move: build one aside, put it in place, give a replaced one back. */
import { constants, existsSync, renameSync } from 'node:fs';
import { rm, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoName, reasonOf } from '../config/errors.js';
import type { Inode } from '../namespace/types.js';
import { type CheckedCopy, native, Stat } from '../native.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../tiers/backtrace.js';
import { releasedPath } from '../tiers/tier-set.js';
import type { Tier } from '../tiers/types.js';
import { MoveError } from './deps.js';
import type { JobRecord } from './journal.js';
import type { Move, MoveContext, Outcome } from './move.js';

const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC, O_NOATIME } = constants;

/** Opens for the time of `use`. */
export async function withFile<T>(
  path: string,
  flags: number,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = await native.open(path, flags, 0o600);
  try {
    return await use(fd);
  } finally {
    native.close(fd);
  }
}

/** A verified copy that is not in place yet. */
export interface Incoming {
  /** 512-byte blocks. */
  blocks: number;
  /** As it was when the copy was built. */
  backtrace: Buffer;
  /** Seconds and nanoseconds of the last access and the last change, as they were then. */
  times: Times;
}

export type Times = readonly [number, number, number, number];

export type Fill = (fd: number, meanwhile: boolean) => Promise<CheckedCopy>;

export const timesOf = ({ atimeSec, atimeNsec, mtimeSec, mtimeNsec }: Inode): Times => [
  atimeSec,
  atimeNsec,
  mtimeSec,
  mtimeNsec,
];

/**
 * Builds a verified copy at the incoming path: `fill` writes it and says what it wrote and what reads back from the
 * medium, which it may do `meanwhile` where that one does not seek. What stays on failure is removed by the caller.
 */
export async function buildIncoming(
  ctx: MoveContext,
  move: Move,
  inode: Inode,
  tier: Tier,
  fill: Fill,
): Promise<Incoming> {
  const path = ctx.deps.tiers.incomingPath(tier, move.ino);
  const backtrace = encodeBacktrace(ctx.deps.namespace, ctx.deps.tiers.volumeId, inode);
  const times = timesOf(inode);
  const blocks = await withFile(path, O_RDWR | O_CREAT | O_TRUNC, async (fd) => {
    const { digest, found } = await fill(fd, tier.medium !== 'hdd');
    if (!found.equals(digest)) {
      throw new MoveError('EIO', `the copy on tier ${tier.name} reads back wrong; check the disk`);
    }
    setBacktrace(fd, backtrace);
    // The backing file's time is the file's own as soon as it is in use.
    native.setTimes(fd, ...times);
    await native.fsync(fd, false);
    return statOf(fd)[Stat.blocks];
  });
  await native.syncDirectory(dirname(path));
  return { blocks, backtrace, times };
}

function setBacktrace(fd: number, backtrace: Buffer): void {
  try {
    native.setXattr(fd, BACKTRACE_XATTR, backtrace);
  } catch (error) {
    // Some media have no extended attributes, or no room for one; the namespace does not need it.
    if (!['EOPNOTSUPP', 'ENOTSUP', 'ENOSPC'].includes(errnoName(error) ?? '')) throw error;
  }
}

export function statOf(fd: number): Float64Array {
  const stat = new Float64Array(Stat.length);
  native.statFd(fd, stat);
  return stat;
}

/** Opens the source of a copy and checks that it is `size` bytes long, as is known of it. */
export async function withFileOf<T>(
  path: string,
  size: number,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  return withFile(path, O_RDONLY | O_NOATIME, async (fd) => {
    const found = statOf(fd)[Stat.size];
    if (found === size) return use(fd);
    throw new MoveError('EIO', `its backing file has ${found} bytes instead of ${size}`);
  });
}

/**
 * Part of the switch, so synchronous: a backing path gets its file in the turn in which the inode
 * says so, and no file that somebody has just made is overwritten. A rename of two cached entries
 * does not wait for the medium.
 */
export function placeIncoming(
  { deps }: MoveContext,
  tier: Tier,
  inode: Inode,
  { backtrace, times }: Incoming,
): void {
  const path = deps.tiers.incomingPath(tier, inode.ino);
  const current = encodeBacktrace(deps.namespace, deps.tiers.volumeId, inode);
  const currentTimes = timesOf(inode);
  const isStale = !current.equals(backtrace) || currentTimes.some((time, i) => time !== times[i]);
  if (isStale) renew(path, current, currentTimes);
  renameSync(path, deps.tiers.backingPath(tier, inode.ino));
}

/** The file was renamed, or given other times, while it was copied. */
function renew(path: string, backtrace: Buffer, times: Times): void {
  const fd = native.openSync(path, O_RDWR, 0);
  try {
    setBacktrace(fd, backtrace);
    native.setTimes(fd, ...times);
  } finally {
    native.close(fd);
  }
}

/**
 * Takes away a replaced backing file, unless the inode uses that path again: the check and the rename are one turn.
 * Only after the switch is durable. @returns the path to unlink
 */
export function setAside({ deps }: MoveContext, tier: Tier, ino: number): string | undefined {
  if (deps.namespace.get(ino)?.plainTier === tier.id) return undefined;
  const released = releasedPath(deps.tiers, tier, ino);
  try {
    renameSync(deps.tiers.backingPath(tier, ino), released);
  } catch (error) {
    // Where the tier's disk is gone too it says ENOENT, and the file may come back with the disk.
    if (errnoName(error) === 'ENOENT' && existsSync(dirname(released))) return undefined;
    const why = `its old copy on tier ${tier.name} can't be removed: ${reasonOf(error)}`;
    throw new MoveError(errnoName(error) ?? 'EIO', why, { cause: error });
  }
  return released;
}

/**
 * Runs the steps up to the switch under a journal record, then makes the switch durable and
 * releases what it replaced. A record whose clean-up failed stays: the next start does it.
 */
export async function journaled(
  ctx: MoveContext,
  move: Move,
  record: JobRecord,
  untilSwitched: () => Promise<void>,
): Promise<Outcome> {
  const { tiers, store } = ctx.deps;
  const key = await ctx.journal.begin(record);
  const target = tiers.byId(record.target);
  const source = tiers.byId(record.source);
  try {
    await untilSwitched();
  } finally {
    if (!move.switched && (await removeIncoming(ctx, target, move.ino))) ctx.journal.end(key);
  }
  if (!move.switched) return 'changed';
  // The entry of the new backing file first, then the transaction that refers to it.
  if (target) await native.syncDirectory(dirname(tiers.backingPath(target, move.ino)));
  await store.commit();
  const released = source && setAside(ctx, source, move.ino);
  if (released) await unlink(released);
  ctx.journal.end(key);
  return 'done';
}

/** Removes what a failed move left of its copy. @returns false where it could not. */
async function removeIncoming(
  { deps }: MoveContext,
  tier: Tier | undefined,
  ino: number,
): Promise<boolean> {
  if (!tier) return true;
  return rm(deps.tiers.incomingPath(tier, ino), { force: true }).then(
    () => true,
    () => false,
  );
}
