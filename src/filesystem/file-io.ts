/** What the daemon does to file data: fsync and other flushing, fallocate, lseek, copy_file_range. */
import { native, Stat } from '../native.js';
import { FileError } from '../fuse/errno.js';
import type { Result } from '../fuse/operations.js';
import type { Inode } from '../namespace/types.js';
import { inodeOf, recordBacking, refreshFromBacking } from './attributes.js';
import { plainTierOf, servePlain } from './backing.js';
import { writeBacktrace } from './backtraces.js';
import type { Context } from './context.js';
import { isRegular, O_NOATIME, O_NOFOLLOW, O_RDONLY, O_RDWR } from './modes.js';
import { inTurn, type OpenFile } from './open-files.js';
import { flushSynchronous } from './synchronous.js';
import { makePlain, withWritableData } from './writable.js';

/**
 * Requests of the kernel come as numbers that are exact up to here.
 * @throws EFBIG for a position beyond
 */
export function checkPosition(position: number): void {
  if (position > Number.MAX_SAFE_INTEGER) throw new FileError('EFBIG');
}

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const stat = new Float64Array(Stat.length);

/** Data first, then the record, then the commit that makes both findable (invariants 1 and 3). */
export async function fsync(ctx: Context, ino: number, dataOnly: boolean): Promise<void> {
  const file = ctx.files.peek(ino);
  const inode = inodeOf(ctx, ino);
  if (file !== undefined && file.fd >= 0 && file.tier === inode.plainTier) {
    await flushBacking(ctx, file, inode, dataOnly);
  }
  await ctx.namespace.commit();
}

async function flushBacking(
  ctx: Context,
  file: OpenFile,
  inode: Inode,
  dataOnly: boolean,
): Promise<void> {
  const { fresh } = file;
  if (fresh) writeBacktrace(ctx, file.fd, inode);
  await native.fsync(file.fd, dataOnly && !fresh);
  file.fresh = false;
  const current = ctx.namespace.get(inode.ino);
  if (current !== undefined && file.fd >= 0) refreshFromBacking(ctx, current);
}

/** Its tier may have data of it that is not on the medium yet. An empty file has nothing to lose. */
export function isUnflushed(ctx: Context, inode: Inode): boolean {
  if (!inode.unsettled || !isRegular(inode.mode)) return false;
  if (ctx.tiers.byId(inode.plainTier)?.state !== 'ok') return false;
  refreshFromBacking(ctx, inode);
  return inode.size > 0;
}

/** Makes the data of a file durable, whether anybody has it open or not. @throws what fdatasync(2) says */
export async function flushData(ctx: Context, ino: number): Promise<void> {
  const file = ctx.files.peek(ino);
  if (file !== undefined && mayHoldBack(file)) await ctx.server.writeBack(ino);
  const fd = await ownDescriptor(ctx, ino);
  if (fd < 0) return;
  try {
    await native.fsync(fd, true);
  } finally {
    native.close(fd);
  }
}

/** Of the backing file; what `files` keeps may be closed during the flush. -1 where the file has settled meanwhile. */
async function ownDescriptor(ctx: Context, ino: number): Promise<number> {
  const inode = inodeOf(ctx, ino);
  if (!inode.unsettled) return -1;
  const kept = ctx.files.descriptorOn(inode.plainTier, ino);
  if (kept >= 0) return native.duplicate(kept);
  const path = ctx.tiers.backingPath(plainTierOf(ctx, inode), ino);
  try {
    return await native.open(path, O_RDONLY | O_NOFOLLOW | O_NOATIME, 0);
  } catch (error) {
    if (ctx.namespace.get(ino)?.unsettled === true) throw error;
    return -1;
  }
}

export async function fallocate(
  ctx: Context,
  ino: number,
  mode: number,
  offset: number,
  length: number,
): Promise<void> {
  checkPosition(offset + length);
  await withWritableData(ctx, ino, O_RDWR, false, async (fd) => {
    await native.fallocate(fd, mode, offset, length);
    await flushSynchronous(ctx, fd);
    native.statFd(fd, stat);
    recordBacking(ctx, inodeOf(ctx, ino), stat);
  });
}

export function lseek(ctx: Context, ino: number, offset: number, whence: number): Result<number> {
  const inode = inodeOf(ctx, ino);
  const file = ctx.files.peek(ino);
  if (file !== undefined && file.fd >= 0 && file.serving !== 'packed') {
    if (mayHoldBack(file)) return seekWrittenBack(ctx, ino, offset, whence);
    return native.seek(file.fd, offset, whence);
  }
  if (offset >= inode.size) throw new FileError('ENXIO');
  if (whence === SEEK_DATA) return offset;
  if (whence === SEEK_HOLE) return inode.size;
  throw new FileError('EINVAL');
}

/**
 * Without passthrough, what a program changed through a mapping may lie in the kernel's cache alone. The kernel
 * writes that back before it punches, truncates or copies into a file, not before it looks for holes in one
 * or copies from it: a reader would skip those bytes.
 */
const mayHoldBack = (file: OpenFile): boolean => file.serving === 'plain' && file.writers > 0;

async function seekWrittenBack(
  ctx: Context,
  ino: number,
  offset: number,
  whence: number,
): Promise<number> {
  await ctx.server.writeBack(ino);
  return native.seek(openPlainFd(ctx, ino), offset, whence);
}

/** Between plain files; for the rest the kernel copies through its cache. */
export async function copyFileRange(
  ctx: Context,
  source: number,
  sourceOffset: number,
  target: number,
  targetOffset: number,
  length: number,
): Promise<number> {
  checkPosition(sourceOffset + length);
  checkPosition(targetOffset + length);
  const file = ctx.files.peek(source);
  if (file !== undefined && mayHoldBack(file)) await ctx.server.writeBack(source);
  const from = openPlainFd(ctx, source);
  const to = openPlainFd(ctx, target);
  const copied = await native.copyRange(from, sourceOffset, to, targetOffset, length);
  const inode = ctx.namespace.get(target);
  if (inode !== undefined) refreshFromBacking(ctx, inode);
  return copied;
}

function openPlainFd(ctx: Context, ino: number): number {
  const file = ctx.files.peek(ino);
  if (file === undefined || file.fd < 0 || file.serving === 'packed') {
    throw new FileError('EOPNOTSUPP');
  }
  return file.fd;
}

/** A READ or WRITE that no one serves: a daemon that took over finds the file open. */
export async function resume(ctx: Context, ino: number): Promise<void> {
  const file = ctx.files.peek(ino);
  if (file === undefined || file.serving !== 'none') throw new FileError('EIO', `inode ${ino}`);
  await inTurn(file, async () => {
    await makePlain(ctx, file, { cut: false, writes: false });
    servePlain(ctx, file, O_RDWR);
  });
}
