/**
 * When the data of plain files was read. The kernel and the native threads read past us, but the backing
 * file's own time of access tells; how often it moves is up to the tier's filesystem (`relatime`, as a rule).
 *
 * That time moves for reasons of our own as well, so it counts only where it moved while the file was open.
 * Whenever times of a backing file are set, its time of access becomes that of the inode.
 */
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { accessTimesOff } from './attributes.js';
import type { Context } from './context.js';
import { O_NOATIME } from './modes.js';
import type { OpenFile } from './open-files.js';

const stat = new Float64Array(Stat.length);

/** Remembers where the backing file stands, at the first handle. */
export function beginAccess(file: OpenFile, flags: number): void {
  if (file.readers + file.writers === 1) {
    file.hidesAccess = false;
    native.statFd(file.fd, stat);
    remember(file);
  }
  if ((flags & O_NOATIME) !== 0) file.hidesAccess = true;
}

function remember(file: OpenFile): void {
  file.accessedSec = stat[Stat.atimeSec];
  file.accessedNsec = stat[Stat.atimeNsec];
}

/** Takes the time over where the file was read since it was last looked at. */
export function recordAccess(ctx: Context, inode: Inode, file: OpenFile): void {
  if (file.fd < 0 || file.tier !== inode.plainTier || accessTimesOff(ctx)) return;
  native.statFd(file.fd, stat);
  const [sec, nsec] = [stat[Stat.atimeSec], stat[Stat.atimeNsec]];
  if (sec === file.accessedSec && nsec === file.accessedNsec) return;
  const unseen = Number.isNaN(file.accessedSec);
  remember(file);
  if (file.hidesAccess || (unseen && !isLater(inode, sec, nsec))) return;
  inode.atimeSec = sec;
  inode.atimeNsec = nsec;
  ctx.namespace.update(inode);
}

const isLater = ({ atimeSec, atimeNsec }: Inode, sec: number, nsec: number): boolean =>
  sec > atimeSec || (sec === atimeSec && nsec > atimeNsec);
