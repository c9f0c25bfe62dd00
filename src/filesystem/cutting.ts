/** Throwing a file's content away: O_TRUNC and truncation to nothing. */
import { native, Stat } from '../native.js';
import { inodeOf, now, recordBacking } from './attributes.js';
import type { Context } from './context.js';
import type { OpenFile } from './open-files.js';
import { beforeWriting } from './opening.js';

const stat = new Float64Array(Stat.length);

/** Empties the open backing file. The packed form, if any, goes with it. */
export async function cutPlain(ctx: Context, file: OpenFile): Promise<void> {
  await beforeWriting(ctx, file.ino);
  ctx.files.noteChange(file.ino);
  await native.truncate(file.fd, 0);
  const inode = inodeOf(ctx, file.ino);
  const { sec, nsec } = now();
  native.setTimes(file.fd, sec, nsec, sec, nsec);
  native.statFd(file.fd, stat);
  recordBacking(ctx, inode, stat);
}
