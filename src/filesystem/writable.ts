/**
 * Before data changes: it is brought into an open backing file, and the record says durably that it is
 * being written.
 */
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { now } from '../namespace/now.js';
import { inodeOf, recordBacking } from './attributes.js';
import { createBacking, isLost, openBackingLater, servePlain } from './backing.js';
import type { Context } from './context.js';
import { O_RDONLY } from './modes.js';
import { inTurn, type OpenFile } from './open-files.js';
import { releaseHandle } from './releasing.js';

const stat = new Float64Array(Stat.length);

export const isPackedOnly = (inode: Inode): boolean =>
  inode.plainTier === 0 && inode.packedTier !== 0;

/**
 * Brings the data into a backing file that is open; `cut` means that nothing of it is needed, and `writes` that reading
 * is not enough.
 */
export async function makePlain(
  ctx: Context,
  file: OpenFile,
  { cut, writes }: { cut: boolean; writes: boolean },
): Promise<void> {
  if (file.serving === 'packed') await ctx.server.endReadAhead(file.ino);
  const inode = inodeOf(ctx, file.ino);
  if (isPackedOnly(inode)) {
    if (cut) await tryStore(ctx, file.ino);
    else await hydrate(ctx, file);
  }
  const replaced = cut && isLost(ctx, inodeOf(ctx, file.ino));
  if (replaced) await tryStore(ctx, file.ino);
  const current = inodeOf(ctx, file.ino);
  const empty = current.plainTier === 0 || replaced;
  if (empty) createEmpty(ctx, file, current);
  else await openBackingLater(ctx, file, current, writes);
  if (empty && (replaced || !cut)) await ctx.namespace.commit(); // the record is older than its backing file
  if (cut) await cutPlain(ctx, file);
  // Where a writer has it open, its close schedules this.
  if ((empty || cut) && file.writers === 0) ctx.settling.schedule(file.ino);
}

/** Others may open it for reading meanwhile. */
async function hydrate(ctx: Context, file: OpenFile): Promise<void> {
  file.hydrating = true;
  try {
    await ctx.migration.hydrateNow(file.ino);
  } finally {
    file.hydrating = false;
  }
  if (file.serving === 'packed') await ctx.server.endReadAhead(file.ino);
}

/** A file that has no data yet, or whose packed data is being thrown away. */
function createEmpty(ctx: Context, file: OpenFile, inode: Inode): void {
  const tiers = ctx.placing.tiersForExisting(inode.parent, inode.name, inode.fileClass);
  createBacking(ctx, file, inode, tiers);
}

/**
 * Before packed data is thrown away: what the store can't record would be lost to whoever is told that it failed. Nothing
 * changes here, so that giving the data up stays one transaction. @throws the store's error
 */
export async function tryStore(ctx: Context, ino: number): Promise<void> {
  if (ctx.namespace.failed !== null) throw ctx.namespace.failed;
  ctx.namespace.update(inodeOf(ctx, ino));
  await ctx.namespace.commit();
}

/** Empties the open backing file. The packed form, if any, goes with it. */
async function cutPlain(ctx: Context, file: OpenFile): Promise<void> {
  await beforeWriting(ctx, file.ino);
  ctx.files.noteChange(file.ino);
  await native.truncate(file.fd, 0);
  const inode = inodeOf(ctx, file.ino);
  const { sec, nsec } = now();
  native.setTimes(file.fd, inode.atimeSec, inode.atimeNsec, sec, nsec);
  native.statFd(file.fd, stat);
  recordBacking(ctx, inode, stat);
}

/**
 * The backing file may change as soon as this resolves: the record says durably that it does, and a packed
 * form of the same content is given up. Otherwise a daemon that is killed would leave a record of the old
 * size over new bytes. A file that was just created needs no wait: its first record says so.
 * @throws the store's error while nothing can be made durable: then no write may start
 */
export async function beforeWriting(ctx: Context, ino: number): Promise<void> {
  if (ctx.namespace.failed !== null) throw ctx.namespace.failed;
  const inode = inodeOf(ctx, ino);
  if (inode.unsettled && inode.packedTier === 0) return;
  if (inode.packedTier !== 0) giveUpRecipe(ctx, inode);
  inode.unsettled = true;
  ctx.namespace.update(inode);
  await ctx.namespace.commit();
}

/** The packed form counts no more; the caller updates the inode. */
export function giveUpRecipe(ctx: Context, inode: Inode): void {
  ctx.content.releaseRecipe(inode.ino);
  inode.packedTier = 0;
  inode.packedBytes = 0;
  inode.digest = '';
}

/**
 * Gives `work` the backing file of an inode, open for writing; a packed file is hydrated before (or
 * dropped, with `cut`: nothing of it is needed).
 */
export async function withWritableData(
  ctx: Context,
  ino: number,
  flags: number,
  cut: boolean,
  work: (fd: number) => Promise<void>,
): Promise<void> {
  const file = ctx.files.acquire(ino, flags);
  try {
    await inTurn(file, async () => {
      await makePlain(ctx, file, { cut, writes: true });
      await beforeWriting(ctx, ino);
      if (file.serving === 'packed' || file.serving === 'empty') servePlain(ctx, file, O_RDONLY);
      await work(file.fd);
    });
  } finally {
    releaseHandle(ctx, ino, flags);
  }
}
