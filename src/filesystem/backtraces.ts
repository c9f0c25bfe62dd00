/** Writes to a backing file which file of the namespace it is, so that the namespace can be rebuilt. */
import { native } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../tiers/backtrace.js';
import type { Context } from './context.js';

/** A medium without extended attributes, or without room for one, only makes a rebuild poorer. */
const HARMLESS = ['EOPNOTSUPP', 'ENOTSUP', 'ENOSPC'];

export function writeBacktrace(ctx: Context, fd: number, inode: Inode): void {
  const value = encodeBacktrace(ctx.namespace, ctx.tiers.volumeId, inode);
  try {
    native.setXattr(fd, BACKTRACE_XATTR, value);
  } catch (error) {
    if (!HARMLESS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
