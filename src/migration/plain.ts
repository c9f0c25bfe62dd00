/** Moves whose result is a plain file: from another tier, or decoded from packs. */
import type { Inode } from '../namespace/types.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { buildIncoming, type Fill, journaled, placeIncoming, withFileOf } from './backing.js';
import { MoveError } from './deps.js';
import {
  checkRoom,
  controlled,
  liveInode,
  type Move,
  type MoveContext,
  nameOf,
  type Outcome,
  readableTier,
  settleSource,
  switchWhenClosed,
  writableTarget,
} from './move.js';
import { plainBytes } from './room.js';

/** Makes the file plain on the move's tier. */
export async function makePlain(ctx: MoveContext, move: Move): Promise<Outcome> {
  const inode = liveInode(ctx, move);
  const target = await writableTarget(ctx, move);
  if (inode.plainTier === target.id) return 'done';
  if (inode.plainTier !== 0) return copyPlain(ctx, move, target);
  if (inode.packedTier !== 0) return hydrate(ctx, move, target);
  if (inode.size === 0) return 'done';
  throw new MoveError('EIO', 'it has neither a plain nor a packed form; run coral-reef fsck');
}

async function copyPlain(ctx: MoveContext, move: Move, target: Tier): Promise<Outcome> {
  const { tiers, activity } = ctx.deps;
  const count = await settleSource(ctx, move);
  const inode = liveInode(ctx, move);
  // The wait may have been long.
  if (inode.plainTier === 0 || inode.plainTier === target.id) return 'changed';
  const source = readableTier(ctx, inode.plainTier);
  checkRoom(ctx, target, plainBytes(ctx.deps, inode));
  move.total = 2 * inode.size;
  move.done = 0;
  const path = tiers.backingPath(source, move.ino);
  const fill: Fill = (out, meanwhile) =>
    withFileOf(path, inode.size, (fd) =>
      controlled(move, (control) => native.copyFile(fd, out, control, meanwhile)),
    );
  return replaceBacking(ctx, move, target, source, fill, () => {
    return activity.changeCount(move.ino) === count;
  });
}

async function hydrate(ctx: MoveContext, move: Move, target: Tier): Promise<Outcome> {
  const { content } = ctx.deps;
  const inode = liveInode(ctx, move);
  const { digest, size, packedTier } = inode;
  readableTier(ctx, packedTier);
  checkRoom(ctx, target, plainBytes(ctx.deps, inode));
  move.total = 2 * size;
  move.done = 0;
  const plan = await content.openFor(move.ino);
  const fill: Fill = async (out, meanwhile) => {
    const written = await controlled(move, (control) =>
      native.hydrate(plan, out, control, meanwhile),
    );
    if (digest === '' || written.digest.toString('hex') === digest) return written;
    throw new MoveError(
      'EIO',
      `the packed form of ${nameOf(ctx, move.ino)} decodes to other bytes than were packed; run coral-reef scrub`,
    );
  };
  try {
    return await replaceBacking(ctx, move, target, null, fill, (inode) => {
      // A packed file's bytes change only by getting another form.
      return inode.plainTier === 0 && inode.digest === digest && inode.size === size;
    });
  } finally {
    plan.close();
  }
}

/** Steps 2 to 8 of README.md for a plain target. The recipe of a hydrated file is kept. */
async function replaceBacking(
  ctx: MoveContext,
  move: Move,
  target: Tier,
  source: Tier | null,
  fill: Fill,
  unchanged: (inode: Inode) => boolean,
): Promise<Outcome> {
  const { tiers } = ctx.deps;
  const record = { ino: move.ino, source: source?.id ?? 0, target: target.id };
  return journaled(ctx, move, record, async () => {
    const incoming = await buildIncoming(ctx, move, liveInode(ctx, move), target, fill);
    await switchWhenClosed(
      ctx,
      move,
      (inode) => inode.plainTier === record.source && unchanged(inode),
      (inode) => {
        placeIncoming(ctx, target, inode, incoming);
        if (source) tiers.accountPlain(source, -512 * inode.plainBlocks);
        tiers.accountPlain(target, 512 * incoming.blocks);
        inode.plainTier = target.id;
        inode.plainBlocks = incoming.blocks;
      },
    );
  });
}
