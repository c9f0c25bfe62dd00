/** The end of handles: what the last writer left is recorded, what waited for the file goes on. */
import { inodeOf, refreshFromBacking } from './attributes.js';
import type { Context } from './context.js';

/** Counts a handle down. `handle` is what open gave, or open's flags. Unknown ones are ignored. */
export function releaseHandle(ctx: Context, ino: number, handle: number): void {
  const released = ctx.files.release(ino, handle);
  if (released === null) return;
  const { file, lastWriter, last } = released;
  if (lastWriter) afterWriting(ctx, ino);
  if (last) ctx.files.becomeIdle(file);
}

function afterWriting(ctx: Context, ino: number): void {
  if (ctx.namespace.get(ino) === undefined) return;
  const inode = inodeOf(ctx, ino);
  const changed = refreshFromBacking(ctx, inode);
  const file = ctx.files.peek(ino);
  // Written through a mapping: the kernel does not know that size and times are new.
  if (changed && file?.attributesCached === true) ctx.session.invalidateInode(ino, -1, 0);
  if (inode.unsettled) ctx.settling.schedule(ino);
}
