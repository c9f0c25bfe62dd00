/** The end of handles: what the last writer left is recorded, what waited for the file goes on. */
import type { Inode } from '../namespace/types.js';
import { recordAccess } from './access-times.js';
import { refreshFromBacking } from './attributes.js';
import type { Context } from './context.js';

/** Counts a handle down. `handle` is what open gave, or open's flags. Unknown ones are ignored. */
export function releaseHandle(ctx: Context, ino: number, handle: number): void {
  const released = ctx.files.release(ino, handle);
  if (released === null) return;
  const { file, lastWriter, last } = released;
  const inode = ctx.namespace.get(ino);
  if (inode !== undefined && lastWriter) afterWriting(ctx, inode);
  if (inode !== undefined && last) {
    recordAccess(ctx, inode, file);
    ctx.heating.closed(inode);
  }
  if (last) ctx.files.becomeIdle(file);
}

function afterWriting(ctx: Context, inode: Inode): void {
  const { ino } = inode;
  const changed = refreshFromBacking(ctx, inode);
  const file = ctx.files.peek(ino);
  // Written through a mapping: the kernel does not know that size and times are new.
  if (changed && file?.attributesCached === true) ctx.session.invalidateInode(ino, -1, 0);
  if (inode.unsettled) ctx.settling.schedule(ino);
}
