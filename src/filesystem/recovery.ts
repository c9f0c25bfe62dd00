/** What a start does for a filesystem that was not ended cleanly. Costs nothing after a clean end. */
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { recordBacking } from './attributes.js';
import type { Context } from './context.js';

const stat = new Float64Array(Stat.length);

/** Releases orphans, re-reads files that may have been written to, durably. Before serving. */
export async function recover(ctx: Context): Promise<void> {
  const orphans = await ctx.orphans.recover();
  const unsettled = ctx.namespace.unsettled();
  for (const ino of unsettled) recoverFile(ctx, ino);
  if (orphans + unsettled.length === 0) return;
  ctx.log.info({ orphans, unsettled: unsettled.length }, 'recovered from an unclean end');
  await ctx.namespace.commit();
}

function recoverFile(ctx: Context, ino: number): void {
  const inode = ctx.namespace.get(ino);
  if (inode === undefined || inode.plainTier === 0) return;
  const tier = ctx.tiers.byId(inode.plainTier);
  if (tier === undefined || tier.state === 'missing') return;
  try {
    native.statPath(ctx.tiers.backingPath(tier, ino), stat);
    recordBacking(ctx, inode, stat);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    neverDurable(ctx, inode);
  }
  ctx.settling.schedule(ino);
}

/** The name was committed, the data was never fsynced, and the power went: what remains is empty. */
function neverDurable(ctx: Context, inode: Inode): void {
  const path = ctx.namespace.pathOf(inode.ino);
  ctx.log.warn({ ino: inode.ino, path }, 'a file that was never synced lost its data; it is empty');
  inode.plainTier = 0;
  inode.plainBlocks = 0;
  inode.size = 0;
  inode.unsettled = false;
  ctx.namespace.update(inode);
}
