/** Writes to a backing file which file of the namespace it is, so that the namespace can be rebuilt. */
import { native } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../tiers/backtrace.js';

export function writeBacktrace(fd: number, inode: Inode): void {
  native.setXattr(fd, BACKTRACE_XATTR, encodeBacktrace(inode));
}
