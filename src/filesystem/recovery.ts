/** What a start does for a filesystem that was not ended cleanly. Costs nothing after a clean end. */
import { unlink } from 'node:fs/promises';
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { recordBacking } from './attributes.js';
import type { Context } from './context.js';

const stat = new Float64Array(Stat.length);

/**
 * Releases orphans and re-reads files that may have been written to, durably; after an unclean end also
 * removes what was created but never committed. Before serving.
 */
export async function recover(ctx: Context, clean: boolean): Promise<void> {
  if (!clean) await removeUncommitted(ctx);
  await ctx.spares.recover();
  const orphans = await ctx.orphans.recover();
  const unsettled = ctx.namespace.unsettled();
  for (const ino of unsettled) recoverFile(ctx, ino);
  if (orphans + unsettled.length === 0) return;
  ctx.log.info({ orphans, unsettled: unsettled.length }, 'recovered from an unclean end');
  await ctx.namespace.commit();
}

/** Each opening gives numbers out in order, so a long gap is its end; directories and symlinks leave gaps. */
const LONGEST_GAP = 8192;
const SLICE = 256;

/** Backing files of inodes that no durable record knows: their creation was never fsynced. */
async function removeUncommitted(ctx: Context): Promise<void> {
  let removed = 0;
  for (const range of ctx.namespace.unrecorded) removed += await removeUncommittedOf(ctx, range);
  if (removed > 0) ctx.log.info({ removed }, 'removed files whose creation was never committed');
}

/** @returns how many files were removed */
async function removeUncommittedOf(
  ctx: Context,
  { from, to }: { from: number; to: number },
): Promise<number> {
  let removed = 0;
  for (let ino = from, gap = 0; ino < to && gap < LONGEST_GAP; ino++, gap++) {
    if (ino % SLICE === 0) await new Promise(setImmediate);
    if (ctx.namespace.get(ino) !== undefined || !(await removeBackingOf(ctx, ino))) continue;
    removed++;
    gap = 0;
  }
  return removed;
}

async function removeBackingOf(ctx: Context, ino: number): Promise<boolean> {
  let found = false;
  for (const tier of ctx.tiers.tiers) {
    const path = ctx.tiers.backingPath(tier, ino);
    if (tier.state === 'missing' || tier.state === 'read-only' || !isThere(path)) continue;
    await unlink(path);
    found = true;
  }
  return found;
}

function isThere(path: string): boolean {
  try {
    native.statPath(path, stat);
    return true;
  } catch {
    return false;
  }
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
