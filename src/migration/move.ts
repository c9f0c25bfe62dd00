/**
 * One move under way: what it works on, and the checkpoints where it waits, stops or finds that its
 * file has changed. The steps of each kind of move are in its own file; all of them follow
 * README.md here.
 */
import type { Inode } from '../namespace/types.js';
import type { CopyControl } from '../native.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { type MigrationDeps, MoveCancelled, MoveError } from './deps.js';
import type { Journal } from './journal.js';
import type { JobKind, JobState, MoveOptions } from './types.js';

/** Of native work: how far it is, and whether it is to end. */
export interface Progress {
  /** Bytes. */
  done: number;
  cancelled: boolean;
  /** What is under way. */
  control: CopyControl | null;
}

/** A job as the queue and the steps see it. */
export interface Move extends Progress {
  readonly id: number;
  readonly kind: JobKind;
  readonly ino: number;
  readonly tier: string;
  readonly options: MoveOptions;
  state: JobState;
  /** Bytes of the file when the job was made. */
  size: number;
  /** Steps that read the bytes again count them again. */
  total: number;
  error: string | null;
  urgent: boolean;
  /** The switch need not wait for readers: the filesystem replaces what serves them. */
  allowOpen: boolean;
  /** From the switch on the move is finished, not cancelled. */
  switched: boolean;
  /** Bytes that take no space of their own any more. */
  shared: number;
  /** Ends the current wait for the last handle to close. */
  wake: (() => void) | null;
}

export interface MoveContext {
  deps: MigrationDeps;
  journal: Journal;
  /** Gives the move's slot away while it waits for something that is not the disk. */
  leaveSlot(move: Move): void;
  /** Before work on the disk: resolves when the move has a slot. */
  takeSlot(move: Move): Promise<void>;
}

/** `changed`: the file was written while it was copied; start over. */
export type Outcome = 'done' | 'changed';

/**
 * The inode, while it is worth moving. @throws MoveCancelled where it was deleted or the job
 * cancelled.
 */
export function liveInode({ deps }: MoveContext, move: Move): Inode {
  if (move.cancelled) throw new MoveCancelled('the job was cancelled');
  const inode = deps.namespace.get(move.ino);
  if (!inode || (inode.nlink === 0 && !move.allowOpen))
    throw new MoveCancelled('the file was deleted');
  return inode;
}

/** Path for messages. */
export function nameOf({ deps }: MoveContext, ino: number): string {
  const path = deps.namespace.pathOf(ino);
  return path === undefined ? `inode ${ino}` : Buffer.from(path, 'latin1').toString('utf8');
}

const CODES = { full: 'ENOSPC', 'read-only': 'EROFS', missing: 'EIO' } as const;

/** The tier that the move goes to. @throws MoveError */
export const writableTarget = (ctx: MoveContext, { tier }: Move): Promise<Tier> =>
  writableTier(ctx, tier);

/** After a fresh look at its marker. @throws MoveError */
export async function writableTier(
  { deps }: Pick<MoveContext, 'deps'>,
  name: string,
): Promise<Tier> {
  await deps.tiers.refresh();
  const tier = deps.tiers.byName(name);
  if (!tier) throw new MoveError('ENOENT', `the volume has no tier ${name}`);
  if (tier.state === 'ok') return tier;
  throw new MoveError(CODES[tier.state], tier.problem ?? tier.state);
}

/** A tier that bytes are read from. @throws MoveError where it is not there. */
export function readableTier({ deps }: MoveContext, id: number): Tier {
  const tier = deps.tiers.byId(id);
  if (!tier) {
    const why = `it was lost with tier number ${id}, which the volume has no more`;
    throw new MoveError('EIO', why);
  }
  if (tier.state === 'missing') throw new MoveError('EIO', tier.problem ?? 'its tier is missing');
  return tier;
}

/** @throws MoveError (ENOSPC) where so many bytes find no room on the tier. */
export function checkRoom({ deps }: Pick<MoveContext, 'deps'>, tier: Tier, bytes: number): void {
  const { free } = deps.tiers.usage(tier);
  if (bytes < free) return;
  throw new MoveError('ENOSPC', `tier ${tier.name} has ${free} bytes free, ${bytes} are needed`);
}

/** Runs one native step that can be cancelled and counts as progress. */
export async function controlled<T>(
  progress: Progress,
  step: (control: CopyControl) => Promise<T>,
): Promise<T> {
  const control = native.createCopyControl();
  progress.control = control;
  if (progress.cancelled) control.cancel();
  try {
    return await step(control);
  } finally {
    progress.done += control.done;
    progress.control = null;
  }
}

/** In bytes of the file, with what the current native step has done so far. */
export function progress({ size, total, done, control }: Move): number {
  const share = (done + (control?.done ?? 0)) / Math.max(1, total);
  return Math.round(size * Math.min(1, share));
}

/**
 * Waits until nobody writes, has size and times recorded, and notes how often the file was changed.
 * From here on an equal change count means equal bytes.
 */
export async function settleSource(ctx: MoveContext, move: Move): Promise<number> {
  const { activity } = ctx.deps;
  for (;;) {
    while (activity.handles(move.ino).writers > 0) await untilClosed(ctx, move);
    await ctx.takeSlot(move);
    liveInode(ctx, move);
    await activity.settle([move.ino]);
    const inode = liveInode(ctx, move);
    if (activity.handles(move.ino).writers === 0 && !inode.unsettled) {
      return activity.changeCount(move.ino);
    }
    if (activity.handles(move.ino).writers === 0) {
      throw new MoveError('EAGAIN', 'its size and times could not be recorded');
    }
  }
}

/**
 * The switch: waits until the form may change, then runs `apply` in the same turn as the last
 * check. Returns without it where `unchanged` says that the copy is of no use any more;
 * `move.switched` tells.
 */
export async function switchWhenClosed(
  ctx: MoveContext,
  move: Move,
  unchanged: (inode: Inode) => boolean,
  apply: (inode: Inode) => void,
): Promise<void> {
  for (;;) {
    const inode = liveInode(ctx, move);
    if (!unchanged(inode)) return;
    const open = ctx.deps.activity.handles(move.ino).total > 0;
    if (!open || move.allowOpen) {
      apply(inode);
      move.switched = true;
      ctx.deps.namespace.update(inode);
      if (!open) ctx.deps.activity.moved(move.ino, 'data');
      return;
    }
    await untilClosed(ctx, move);
  }
}

/** Waits for the last handle to close, or for a cancel; holds no slot from then on. */
async function untilClosed(ctx: MoveContext, move: Move): Promise<void> {
  move.state = 'waiting-for-close';
  ctx.leaveSlot(move);
  await new Promise<void>((resolve) => {
    move.wake = resolve;
    ctx.deps.activity.whenIdle(move.ino, resolve);
  });
  move.wake = null;
  move.state = 'running';
  liveInode(ctx, move);
}
