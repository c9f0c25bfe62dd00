/** Backing files of plain data: made, opened, served, cut. */
import { unlinkSync } from 'node:fs';
import { native, Stat } from '../native.js';
import { FileError } from '../fuse/errno.js';
import { FOPEN_KEEP_CACHE, FOPEN_PASSTHROUGH } from '../fuse/protocol.js';
import type { Opened } from '../fuse/operations.js';
import type { Inode } from '../namespace/types.js';
import { isRemoved, isWritable, type Tier } from '../tiers/types.js';
import { nextReadingCounts } from './access-times.js';
import { recordBacking } from './attributes.js';
import type { Context } from './context.js';
import {
  mayRead,
  mayWrite,
  O_CREAT,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
} from './modes.js';
import { handleFor, type OpenFile } from './open-files.js';

const BACKING_MODE = 0o600;
const stat = new Float64Array(Stat.length);

/** The tier of an inode's plain data. @throws EIO where its disk is missing, or it is lost. */
export function plainTierOf(ctx: Context, inode: Inode): Tier {
  const tier = ctx.tiers.byId(inode.plainTier);
  if (tier === undefined) throw new FileError('EIO', `inode ${inode.ino}: lost with its tier`);
  if (tier.state === 'missing') {
    throw new FileError('EIO', `inode ${inode.ino}: its tier is missing`);
  }
  return tier;
}

/** Its plain data was on a tier that the volume has no more: it can only be replaced. */
export function isLost({ tiers }: Context, { plainTier }: Inode): boolean {
  return isRemoved(tiers, plainTier);
}

/** Before it gets other data, or none, in the same turn: a tier that goes later may take that along, and is looked at anew. */
export function noLongerLost(ctx: Context, inode: Inode): void {
  if (isLost(ctx, inode)) ctx.namespace.removeLost(inode.ino);
}

/**
 * Makes the empty backing file of an inode that has no data. Synchronous: new data goes to the fastest
 * tier that has room. @throws ENOSPC where none has, EROFS where none can be written to.
 */
export function createBacking(
  ctx: Context,
  file: OpenFile,
  inode: Inode,
  candidates: Tier[],
): void {
  for (const tier of candidates) {
    let fd: number;
    try {
      fd = createExclusively(ctx.tiers.backingPath(tier, inode.ino));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EROFS') lookAgain(ctx);
      if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS') continue;
      throw error;
    }
    // Only reading may leave a later access time on it.
    const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = inode;
    native.setTimes(fd, atimeSec, atimeNsec, mtimeSec, mtimeNsec);
    return adoptNewBacking(ctx, file, inode, fd, tier);
  }
  throw ctx.tiers.tiers.some(isWritable)
    ? new FileError('ENOSPC', 'no tier has room for a new file')
    : new FileError('EROFS', 'no tier can be written to');
}

/** `fd` is the new and empty backing file of an inode, on `tier`. */
export function adoptNewBacking(
  ctx: Context,
  file: OpenFile,
  inode: Inode,
  fd: number,
  tier: Tier,
): void {
  file.fd = fd;
  file.tier = tier.id;
  file.fresh = true;
  file.expectsReading = true;
  noLongerLost(ctx, inode);
  inode.plainTier = tier.id;
  inode.plainBlocks = 0;
  inode.unsettled = true;
  ctx.namespace.update(inode);
}

/** A copy that a move left behind and has not released yet is set aside: no one refers to it. */
function createExclusively(path: string): number {
  const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOATIME;
  try {
    return native.openSync(path, flags, BACKING_MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    unlinkSync(path);
    return native.openSync(path, flags, BACKING_MODE);
  }
}

/** Takes back what `createBacking` made, where its inode does not come to be. */
export function removeBacking(ctx: Context, file: OpenFile): void {
  const tier = ctx.tiers.byId(file.tier);
  ctx.files.closeBacking(file);
  if (tier !== undefined) unlinkSync(ctx.tiers.backingPath(tier, file.ino));
}

/** True where opening the backing file may not wait for a slow medium. */
export function opensAtOnce(ctx: Context, file: OpenFile, inode: Inode): boolean {
  if (file.fd >= 0 && file.tier === inode.plainTier) return true;
  return ctx.tiers.byId(inode.plainTier)?.medium === 'nvme';
}

/** @throws EROFS where `writes`, and the tier can only be read */
export function openBackingAtOnce(
  ctx: Context,
  file: OpenFile,
  inode: Inode,
  writes: boolean,
): void {
  if (!prepareDescriptor(ctx, file, inode, writes)) return;
  const tier = plainTierOf(ctx, inode);
  const path = ctx.tiers.backingPath(tier, inode.ino);
  const flags = access(tier);
  try {
    adopt(ctx, file, inode, native.openSync(path, flags, 0), flags);
  } catch (error) {
    const reading = accessAfter(ctx, error, writes);
    adopt(ctx, file, inode, native.openSync(path, reading, 0), reading);
  }
}

/** The same for a tier that may be slow. The inode must be read again afterwards. */
export async function openBackingLater(
  ctx: Context,
  file: OpenFile,
  inode: Inode,
  writes: boolean,
): Promise<void> {
  if (!prepareDescriptor(ctx, file, inode, writes)) return;
  const tier = plainTierOf(ctx, inode);
  const path = ctx.tiers.backingPath(tier, inode.ino);
  let flags = access(tier);
  let fd: number;
  try {
    fd = await native.open(path, flags, 0);
  } catch (error) {
    flags = accessAfter(ctx, error, writes);
    fd = await native.open(path, flags, 0);
  }
  if (file.fd >= 0 || tier.id !== inode.plainTier) native.close(fd);
  else adopt(ctx, file, inode, fd, flags);
}

/** O_NOATIME: what is read for a program that asked for it looks the same. See access-times.ts. */
const READING = O_RDONLY | O_NOFOLLOW | O_NOATIME;
const WRITING = O_RDWR | O_NOFOLLOW | O_NOATIME;

const access = (tier: Tier): number => (tier.state === 'read-only' ? READING : WRITING);

/**
 * A disk that fails becomes read-only while it is used, and what lies on it can still be read. @returns the flags to try
 * next. @throws `error` where that is no help
 */
function accessAfter(ctx: Context, error: unknown, writes: boolean): number {
  if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error;
  lookAgain(ctx);
  if (writes) throw error;
  return READING;
}

/** A tier said that it is read-only, and its state may not. On a read-only mount that does not matter. */
function lookAgain({ tiers, log }: Context): void {
  if (tiers.readOnly) return;
  tiers.refresh().catch((error: unknown) => log.warn({ err: error }, 'no look at the tiers'));
}

/** @returns whether a descriptor is still needed. */
function prepareDescriptor(ctx: Context, file: OpenFile, inode: Inode, writes: boolean): boolean {
  if (writes) requireWritable(ctx, file, inode);
  if (file.fd < 0) return true;
  if (file.tier === inode.plainTier) return false;
  ctx.files.closeBacking(file);
  return true;
}

/**
 * A descriptor from when the tier could not be written to goes, but not while others are served from it: the kernel takes
 * no second backing file for an inode that is open. @throws EROFS
 */
function requireWritable(ctx: Context, file: OpenFile, inode: Inode): void {
  const isSame = file.tier === inode.plainTier && file.readOnly;
  const isServed = file.serving !== 'none';
  if (ctx.tiers.byId(inode.plainTier)?.state === 'read-only' || (isSame && isServed)) {
    throw new FileError('EROFS', `inode ${inode.ino}: its tier is read-only`);
  }
  if (isSame) ctx.files.closeBacking(file);
}

/** What was written just before a crash may be newer than the record: the file itself is right. */
function adopt(ctx: Context, file: OpenFile, inode: Inode, fd: number, flags: number): void {
  file.fd = fd;
  file.readOnly = flags === READING;
  file.tier = inode.plainTier;
  file.fresh = false;
  native.statFd(fd, stat);
  file.expectsReading = nextReadingCounts(stat);
  if (stat[Stat.size] !== inode.size && recordBacking(ctx, inode, stat)) {
    inode.unsettled = true;
    ctx.namespace.update(inode);
    ctx.server.invalidateInode(inode.ino, -1, 0);
  }
}

/** Serves an open backing file: by the kernel itself where it can, else by native threads. */
export function servePlain(ctx: Context, file: OpenFile, flags: number): Opened {
  const handle = handleFor(flags);
  const fresh = file.serving === 'none' && ctx.passthrough;
  if (file.serving === 'passthrough' || (fresh && registerBacking(ctx, file))) {
    file.serving = 'passthrough';
    noteMappable(file, flags);
    return { handle, flags: FOPEN_PASSTHROUGH, backingId: file.backingId };
  }
  if (file.serving !== 'plain') {
    ctx.server.servePlain(file.ino, file.fd);
    file.serving = 'plain';
    file.unwritable = false;
  }
  // Without passthrough every change goes through the kernel's cache of this inode.
  return { handle, flags: ctx.passthrough ? 0 : FOPEN_KEEP_CACHE, backingId: 0 };
}

/** The kernel maps nothing that was opened for writing only (do_mmap). */
function noteMappable(file: OpenFile, flags: number): void {
  if (!mayRead(flags)) return;
  file.passed = true;
  if (mayWrite(flags)) file.written = true;
}

/** Tiers whose filesystem the kernel does not take (it is stacked itself, say): reported once. */
const refused = new Set<number>();

function registerBacking(ctx: Context, file: OpenFile): boolean {
  if (file.backingId !== 0) return true;
  try {
    requireLeases(file);
    file.backingId = ctx.server.backingOpen(file.fd);
    return true;
  } catch (error) {
    if (!refused.has(file.tier)) {
      refused.add(file.tier);
      ctx.log.warn(
        { err: error, tier: file.tier },
        'passthrough refused; served by native threads',
      );
    }
    return false;
  }
}

const withLeases = new Set<number>();

/** Without leases a mapping that outlives its handle can't be seen, and moving the bytes would lose its writes. */
function requireLeases({ fd, tier }: OpenFile): void {
  if (withLeases.has(tier)) return;
  native.hasOthers(fd);
  withLeases.add(tier);
}
