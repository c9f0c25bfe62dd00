/**
 * What is durable before it is answered. A file that is opened to be written with O_SYNC or O_DSYNC: the kernel flushes
 * each write past us, which helps nobody where a crash forgets the file. With the mount options `sync` and `dirsync`
 * whatever changes names or attributes, with `sync` every open for writing as well.
 */
import { MS } from '../config/mount-options.js';
import type { Attributes, Opened, Result } from '../fuse/operations.js';
import { native } from '../native.js';
import type { Context } from './context.js';
import { mayWrite, O_DSYNC } from './modes.js';
import { releaseHandle } from './releasing.js';

const isMounted = (ctx: Context, flags: number): boolean =>
  (ctx.settings.mount.flags & flags) !== 0;

/** The answer to an operation that changed names or attributes. */
export function changed<T>(ctx: Context, result: Result<T>): Result<T> {
  return isMounted(ctx, MS.SYNCHRONOUS | MS.DIRSYNC) ? afterCommit(ctx, result) : result;
}

async function afterCommit<T>(ctx: Context, result: Result<T>): Promise<T> {
  const value = await result;
  await ctx.namespace.commit();
  return value;
}

/** The answer to an open. */
export function opened(
  ctx: Context,
  ino: number,
  flags: number,
  result: Result<Opened>,
): Result<Opened> {
  return isWrittenSynchronously(ctx, flags) ? openedDurably(ctx, ino, flags, result) : result;
}

interface Created {
  attributes: Attributes;
  opened: Opened;
}

/** The answer where a file was made, with or without a name. */
export function created(ctx: Context, flags: number, result: Created): Result<Created> {
  const waits = isMounted(ctx, MS.DIRSYNC) || isWrittenSynchronously(ctx, flags);
  return waits ? openedDurably(ctx, result.attributes.ino, flags, result) : result;
}

/** O_SYNC contains the bit of O_DSYNC. */
const isWrittenSynchronously = (ctx: Context, flags: number): boolean =>
  mayWrite(flags) && ((flags & O_DSYNC) !== 0 || isMounted(ctx, MS.SYNCHRONOUS));

async function openedDurably<T>(
  ctx: Context,
  ino: number,
  flags: number,
  result: Result<T>,
): Promise<T> {
  const value = await result;
  try {
    await ctx.namespace.commit();
  } catch (error) {
    // The program gets no descriptor, so nobody else would.
    releaseHandle(ctx, ino, flags);
    throw error;
  }
  return value;
}

/** After the daemon itself changed a backing file. */
export async function flushSynchronous(ctx: Context, fd: number): Promise<void> {
  if (isMounted(ctx, MS.SYNCHRONOUS)) await native.fsync(fd, true);
}
