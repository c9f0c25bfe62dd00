/** open and create: which form an inode is served in, and what has to happen before it can be. */
import type { PlanHandle } from '../native.js';
import { FileError } from '../fuse/errno.js';
import { FOPEN_KEEP_CACHE, OPEN_KILL_SUIDGID } from '../fuse/protocol.js';
import type { Attributes, Caller, Opened, Result } from '../fuse/operations.js';
import { pinOf } from '../namespace/pins.js';
import type { Inode, Name } from '../namespace/types.js';
import type { Tier } from '../tiers/types.js';
import { openedForReading } from './access-times.js';
import { attributesOfNew, inodeOf, touchChanged } from './attributes.js';
import {
  adoptNewBacking,
  createBacking,
  isLost,
  openBackingAtOnce,
  opensAtOnce,
  removeBacking,
  servePlain,
} from './backing.js';
import type { Context } from './context.js';
import { openEmpty, staysEmpty } from './empty-files.js';
import { addFirstName, freeName, newInode } from './entries.js';
import {
  isRegular,
  mayWrite,
  O_ACCMODE,
  O_TRUNC,
  O_WRONLY,
  PERMISSIONS,
  S_IFREG,
} from './modes.js';
import { handleFor, inTurn, type OpenFile } from './open-files.js';
import { releaseHandle } from './releasing.js';
import { dropSetId } from './set-id.js';
import type { Spare } from './spares.js';
import { beforeWriting, isPackedOnly, makePlain } from './writable.js';

export function open(
  ctx: Context,
  caller: Caller,
  ino: number,
  flags: number,
  openFlags: number,
): Result<Opened> {
  const inode = inodeOf(ctx, ino);
  if (!isRegular(inode.mode)) throw new FileError('EINVAL');
  const file = ctx.files.acquire(ino, flags);
  try {
    ctx.heating.opened(inode);
    if ((openFlags & OPEN_KILL_SUIDGID) !== 0 && dropSetId(inode, caller)) touchChanged(ctx, inode);
    const mayOpen = file.queue === null && ctx.migration.untilUnshared(ino) === undefined;
    const opened = mayOpen ? openAtOnce(ctx, file, inode, flags) : undefined;
    if (opened !== undefined) return opened;
    if (isReadMeanwhile(ctx, file, inode, flags)) return openMeanwhile(ctx, file, flags);
  } catch (error) {
    releaseHandle(ctx, ino, flags);
    throw error;
  }
  return openLater(ctx, file, flags);
}

function openAtOnce(ctx: Context, file: OpenFile, inode: Inode, flags: number): Opened | undefined {
  if (!staysPacked(ctx, file, inode, flags)) {
    return isReady(ctx, file, inode, flags) ? openPlain(ctx, file, inode, flags) : undefined;
  }
  if (file.serving === 'none') {
    const plan = ctx.content.openAtOnce(inode.ino);
    if (plan === undefined) return undefined;
    servePlan(ctx, file, plan);
  }
  return packedOpened(ctx, file, inode, flags);
}

function staysPacked(ctx: Context, file: OpenFile, inode: Inode, flags: number): boolean {
  if (mayWrite(flags) || (flags & O_TRUNC) !== 0) return false;
  if (file.serving === 'none') return isPackedOnly(inode) || isCopyLost(ctx, inode);
  return file.serving === 'packed';
}

/**
 * The disk of a plain copy is not there, or its tier was removed: no reason to withhold the packed form, which was given up
 * if it was another one.
 */
function isCopyLost(ctx: Context, inode: Inode): boolean {
  const tier = ctx.tiers.byId(inode.plainTier);
  return inode.packedTier !== 0 && (tier === undefined || tier.state === 'missing');
}

/** Plain data that can be opened without waiting for a disk or for a commit. */
function isReady(ctx: Context, file: OpenFile, inode: Inode, flags: number): boolean {
  if (inode.plainTier === 0 || file.serving === 'packed' || (flags & O_TRUNC) !== 0) return false;
  if (mayWrite(flags) && (!inode.unsettled || ctx.namespace.failed !== null)) return false;
  return opensAtOnce(ctx, file, inode);
}

async function openLater(ctx: Context, file: OpenFile, flags: number): Promise<Opened> {
  try {
    return await inTurn(file, () => openInTurn(ctx, file, flags));
  } catch (error) {
    releaseHandle(ctx, file.ino, flags);
    throw error;
  }
}

async function openInTurn(ctx: Context, file: OpenFile, flags: number): Promise<Opened> {
  await ctx.migration.untilUnshared(file.ino);
  const inode = inodeOf(ctx, file.ino);
  if (staysPacked(ctx, file, inode, flags)) return openPacked(ctx, file, flags);
  if (staysEmpty(inode, flags)) return openEmpty(ctx, file, inode, flags);
  const cut = (flags & O_TRUNC) !== 0;
  try {
    await makePlain(ctx, file, { cut, writes: cut || mayWrite(flags) });
  } catch (error) {
    return openUnwritable(ctx, file, flags, error);
  }
  if (mayWrite(flags)) await beforeWriting(ctx, file.ino);
  return openPlain(ctx, file, inodeOf(ctx, file.ino), flags);
}

/**
 * What it has can't be read, so that nobody may write into it; but truncate(1), and programs that copy, open a file for writing
 * and then cut it to nothing. Whatever they write before that is EIO. @throws `failure` where it is something else; also where
 * it is opened for reading too, since what a mapping writes would be lost without a word
 */
async function openUnwritable(
  ctx: Context,
  file: OpenFile,
  flags: number,
  failure: unknown,
): Promise<Opened> {
  const { code } = failure as NodeJS.ErrnoException;
  if (code !== 'EIO' || (flags & (O_ACCMODE | O_TRUNC)) !== O_WRONLY) throw failure;
  const inode = inodeOf(ctx, file.ino);
  if (file.serving === 'none' && isPackedOnly(inode)) {
    servePlan(ctx, file, await ctx.content.openFor(file.ino));
  } else if (file.serving === 'none' && isLost(ctx, inode) && inode.size > 0) {
    servePlan(ctx, file, ctx.content.openLost(inode.size));
  }
  if (file.serving !== 'packed') throw failure;
  file.unwritable = true;
  return { handle: handleFor(flags), flags: 0, backingId: 0 };
}

function openPlain(ctx: Context, file: OpenFile, inode: Inode, flags: number): Opened {
  openBackingAtOnce(ctx, file, inode, mayWrite(flags));
  const opened = servePlain(ctx, file, flags);
  openedForReading(ctx, file, inode, flags);
  return opened;
}

/** A writer may wait for minutes until a packed file is plain: who only reads does not. */
function isReadMeanwhile(ctx: Context, file: OpenFile, inode: Inode, flags: number): boolean {
  return file.hydrating && staysPacked(ctx, file, inode, flags);
}

async function openMeanwhile(ctx: Context, file: OpenFile, flags: number): Promise<Opened> {
  try {
    const plan = file.serving === 'none' ? await ctx.content.openFor(file.ino) : null;
    const inode = inodeOf(ctx, file.ino);
    if (plan !== null && file.serving === 'none' && isReadMeanwhile(ctx, file, inode, flags)) {
      servePlan(ctx, file, plan);
    } else plan?.close();
    if (file.serving === 'packed') return packedOpened(ctx, file, inode, flags);
  } catch (error) {
    releaseHandle(ctx, file.ino, flags);
    throw error;
  }
  return openLater(ctx, file, flags);
}

async function openPacked(ctx: Context, file: OpenFile, flags: number): Promise<Opened> {
  const { ino } = file;
  if (file.serving === 'none') {
    const plan = await ctx.content.openFor(ino);
    // The file may have become plain while the plan was being resolved.
    if (!staysPacked(ctx, file, inodeOf(ctx, ino), flags)) {
      plan.close();
      return openInTurn(ctx, file, flags);
    }
    servePlan(ctx, file, plan);
  }
  return packedOpened(ctx, file, inodeOf(ctx, ino), flags);
}

function servePlan(ctx: Context, file: OpenFile, plan: PlanHandle): void {
  file.plan = plan;
  ctx.server.servePacked(file.ino, plan);
  file.serving = 'packed';
}

function packedOpened(ctx: Context, file: OpenFile, inode: Inode, flags: number): Opened {
  promoteOnOpen(ctx, inode);
  openedForReading(ctx, file, inode, flags);
  return { handle: handleFor(flags), flags: FOPEN_KEEP_CACHE, backingId: 0 };
}

function promoteOnOpen(ctx: Context, inode: Inode): void {
  if (inode.plainTier !== 0 || inode.nlink === 0) return;
  const placed = ctx.placing.tierOnOpen(inode);
  if (placed === undefined) return;
  const pinned = ctx.tiers.byId(pinOf(ctx.namespace, inode.ino));
  const tier = pinned?.name ?? placed;
  const options = { pack: false, because: 'opened', urgent: false };
  ctx.migration.submit('promote', inode.ino, tier, options);
}

export function create(
  ctx: Context,
  caller: Caller,
  parent: number,
  name: Name,
  flags: number,
  mode: number,
): { attributes: Attributes; opened: Opened } {
  const directory = freeName(ctx, parent, name);
  // Before a spare is taken, whose number an inode must get.
  if (ctx.namespace.failed !== null) throw ctx.namespace.failed;
  const fileClass = ctx.placing.classify(parent, name);
  const tiers = ctx.placing.tiersForNew(parent, name, fileClass);
  const spare = tiers.length > 0 ? ctx.spares.take(tiers[0]) : undefined;
  const fields = { mode: (mode & PERMISSIONS) | S_IFREG, ino: spare?.ino };
  const inode = newInode(ctx, caller, directory, fields);
  inode.fileClass = fileClass;
  const opened = openNew(ctx, inode, flags, tiers, spare);
  addFirstName(ctx, directory, name, inode);
  return { attributes: attributesOfNew(inode), opened };
}

/** O_TMPFILE: a file without a name, until it is linked. */
export function tmpfile(
  ctx: Context,
  caller: Caller,
  parent: number,
  flags: number,
  mode: number,
): { attributes: Attributes; opened: Opened } {
  const directory = inodeOf(ctx, parent);
  const tiers = ctx.placing.tiersForNew(parent, '', 'other');
  const inode = newInode(ctx, caller, directory, { mode: (mode & PERMISSIONS) | S_IFREG });
  const opened = openNew(ctx, inode, flags, tiers);
  ctx.orphans.add(inode);
  return { attributes: attributesOfNew(inode), opened };
}

function openNew(ctx: Context, inode: Inode, flags: number, tiers: Tier[], spare?: Spare): Opened {
  const file = ctx.files.acquire(inode.ino, flags);
  file.attributesCached = false;
  try {
    if (spare === undefined) createBacking(ctx, file, inode, tiers);
    else adoptNewBacking(ctx, file, inode, spare.fd, tiers[0]);
    ctx.heating.born(inode);
    return servePlain(ctx, file, flags);
  } catch (error) {
    removeBacking(ctx, file);
    ctx.files.release(inode.ino, flags);
    ctx.files.becomeIdle(file);
    ctx.namespace.destroy(inode);
    throw error;
  }
}
