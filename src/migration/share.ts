/** Jobs that let a plain file use the blocks of another one on its tier, where both hold the same. */
import { constants } from 'node:fs';
import { native, SHARE_WINDOW, Stat } from '../native.js';
import { isWritable, type Medium, type Tier } from '../tiers/types.js';
import { statOf, withFile } from './backing.js';
import { MoveCancelled, MoveError } from './deps.js';
import { controlled, liveInode, type Move, type MoveContext, type Outcome } from './move.js';
import type { ShareOrder } from './types.js';

/** Bytes. A run that is shared is read from elsewhere: it has to be worth the seek. */
const SHORTEST_RUN: Readonly<Record<Medium, number>> = {
  nvme: 64 * 1024,
  ssd: 64 * 1024,
  hdd: 1024 * 1024,
};
const IN_USE = 'a program uses the file; the rest is shared later';
const FLAGS = constants.O_RDONLY | constants.O_NOATIME | constants.O_NOFOLLOW;

/**
 * Goes on from where the order stands. Nothing has to be cleaned up wherever it ends: each step changes where
 * equal bytes lie, and nothing else. @throws MoveCancelled where one of the two is used by now
 */
export async function shareBlocks(ctx: MoveContext, move: Move): Promise<Outcome> {
  const order = move.options.share;
  if (order === undefined) throw new MoveError('EINVAL', 'nothing to share with was named');
  for (;;) {
    await ctx.takeSlot(move);
    const { size } = liveInode(ctx, move);
    const tier = unusedTier(ctx, move, order);
    [move.total, move.done] = [size, Math.min(order.offset, size)];
    if (order.offset >= size) return 'done';
    await shareStep(ctx, move, order, tier);
    order.offset += SHARE_WINDOW;
  }
}

/**
 * The tier of both files, while nobody writes to either (both are settled) or reads the target: what the page
 * cache holds of that goes with its blocks.
 */
function unusedTier({ deps }: MoveContext, move: Move, order: ShareOrder): Tier {
  const { namespace, tiers, activity, settings } = deps;
  const tier = tiers.byName(move.tier);
  const [source, target] = [namespace.get(order.source), namespace.get(move.ino)];
  const here = tier && [source, target].every((inode) => inode?.plainTier === tier.id);
  if (!here || source?.nlink === 0) throw new MoveCancelled('one of the two files is gone');
  if (settings.share === 'off') throw new MoveCancelled('share=off');
  const changed =
    activity.changeCount(order.source) !== order.sourceChanges ||
    activity.changeCount(move.ino) !== order.targetChanges;
  const used = activity.handles(move.ino).total > 0;
  if (changed || used || source?.unsettled || target?.unsettled) {
    throw new MoveCancelled(IN_USE);
  }
  if (isWritable(tier)) return tier;
  throw new MoveError('EIO', tier.problem ?? tier.state);
}

/**
 * Both files are open for one step only: whoever looks whether they are in use is not misled for long. Who opens the
 * target meanwhile waits (`untilUnshared`): while its blocks are replaced, a mapping may see zeros (src/README.md).
 */
async function shareStep(
  ctx: MoveContext,
  move: Move,
  order: ShareOrder,
  tier: Tier,
): Promise<void> {
  const { tiers } = ctx.deps;
  const shortest = SHORTEST_RUN[tier.medium];
  const target = tiers.backingPath(tier, move.ino);
  await withFile(tiers.backingPath(tier, order.source), FLAGS, (from) =>
    withFile(target, FLAGS, async (to) => {
      if (ctx.deps.activity.isUsed(move.ino, to)) throw new MoveCancelled(IN_USE);
      move.shared += await controlled(move, (control) =>
        native.shareExtents(from, to, order.offset, SHARE_WINDOW, shortest, control),
      );
      recordBlocks(ctx, move, order, statOf(to)[Stat.blocks]);
    }),
  );
}

/** A hole may have taken the place of zeros. Where somebody wrote, settling looks at the file. */
function recordBlocks(
  { deps }: MoveContext,
  { ino }: Move,
  { targetChanges }: ShareOrder,
  blocks: number,
): void {
  const { namespace, tiers, activity } = deps;
  const inode = namespace.get(ino);
  const tier = inode && tiers.byId(inode.plainTier);
  if (!tier || activity.changeCount(ino) !== targetChanges) return;
  if (blocks === inode.plainBlocks) return;
  tiers.accountPlain(tier, 512 * (blocks - inode.plainBlocks));
  inode.plainBlocks = blocks;
  namespace.update(inode);
  if (activity.handles(ino).total === 0) activity.moved(ino, 'attributes');
}
