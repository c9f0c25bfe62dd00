/** Writes to a backing file which file of the namespace it is, so that the namespace can be rebuilt. */
import { errnoOf, errnoOfError } from '../fuse/errno.js';
import { native } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../tiers/backtrace.js';
import type { Context } from './context.js';

/** A medium without extended attributes, or without room for one, only makes a rebuild poorer. */
const HARMLESS = ['EOPNOTSUPP', 'ENOSPC'].map(errnoOf);

/** True also for 0. `errno` is positive. */
export const isHarmless = (errno: number): boolean => errno === 0 || HARMLESS.includes(errno);

export function writeBacktrace(ctx: Context, fd: number, inode: Inode): void {
  const value = encodeBacktrace(ctx.namespace, ctx.tiers.volumeId, inode);
  try {
    native.setXattr(fd, BACKTRACE_XATTR, value);
  } catch (error) {
    if (!isHarmless(errnoOfError(error))) throw error;
  }
}
