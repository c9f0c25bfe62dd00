/**
 * Files without data. They need no backing file until somebody writes: they can be read where nothing can be written, and
 * cutting a file to nothing works where no tier has room, which is how people make some.
 */
import { FOPEN_KEEP_CACHE } from '../fuse/protocol.js';
import type { Opened } from '../fuse/operations.js';
import type { Inode } from '../namespace/types.js';
import { native } from '../native.js';
import { now } from '../namespace/now.js';
import { openedForReading } from './access-times.js';
import { inodeOf } from './attributes.js';
import { isLost, noLongerLost } from './backing.js';
import type { Context } from './context.js';
import { mayWrite, O_RDONLY, O_RDWR, O_TRUNC } from './modes.js';
import { handleFor, inTurn, type OpenFile } from './open-files.js';
import { releaseHandle } from './releasing.js';
import { giveUpRecipe, tryStore } from './writable.js';

/** Nobody may have changed it, and `flags` don't either. */
export const staysEmpty = ({ plainTier, packedTier }: Inode, flags: number): boolean =>
  plainTier === 0 && packedTier === 0 && !mayWrite(flags) && (flags & O_TRUNC) === 0;

export function openEmpty(ctx: Context, file: OpenFile, inode: Inode, flags: number): Opened {
  if (file.serving === 'none') serveEmpty(ctx, file);
  openedForReading(ctx, file, inode, flags);
  return { handle: handleFor(flags), flags: FOPEN_KEEP_CACHE, backingId: 0 };
}

let nothing = -1;

/** From what is empty for ever. A writer that comes is served like one of a packed file: through the page cache. */
function serveEmpty(ctx: Context, file: OpenFile): void {
  if (nothing < 0) nothing = native.openSync('/dev/null', O_RDONLY, 0);
  ctx.server.servePlain(file.ino, nothing);
  file.serving = 'empty';
}

/**
 * Cuts a file to nothing that has no backing file, without making one. @returns false where it has one, and nothing changed
 * @throws the store's error while nothing can be made durable: then it stays as it is
 */
export async function cutWithoutBacking(ctx: Context, ino: number): Promise<boolean> {
  const file = ctx.files.acquire(ino, O_RDWR);
  try {
    return await inTurn(file, async () => {
      if (needsBacking(ctx, file)) return false;
      if (file.serving === 'packed') await ctx.server.endReadAhead(ino);
      await tryStore(ctx, ino);
      const inode = inodeOf(ctx, ino);
      // A move may have ended meanwhile.
      if (needsBacking(ctx, file)) return false;
      forgetData(ctx, inode);
      if (file.serving === 'packed') serveEmpty(ctx, file);
      await ctx.namespace.commit();
      return true;
    });
  } finally {
    releaseHandle(ctx, ino, O_RDWR);
  }
}

/** It has one, or a program that has it open will write to it once it is empty. */
function needsBacking(ctx: Context, file: OpenFile): boolean {
  const inode = inodeOf(ctx, file.ino);
  return file.unwritable || (inode.plainTier !== 0 && !isLost(ctx, inode));
}

function forgetData(ctx: Context, inode: Inode): void {
  ctx.files.noteChange(inode.ino);
  if (inode.packedTier !== 0) giveUpRecipe(ctx, inode);
  const { sec, nsec } = now();
  noLongerLost(ctx, inode);
  Object.assign(inode, { plainTier: 0, plainBlocks: 0 });
  inode.size = 0;
  inode.unsettled = false;
  [inode.mtimeSec, inode.mtimeNsec] = [sec, nsec];
  [inode.ctimeSec, inode.ctimeNsec] = [sec, nsec];
  ctx.namespace.update(inode);
}
