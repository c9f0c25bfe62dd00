/**
 * Access times, as ext4 keeps them. Who reads past us leaves its time on the backing file, by the rules of the mount that
 * the tier lies on (relatime, mostly); reads that the kernel answers from its cache leave none, so opening counts as
 * reading there.
 */
import { MS } from '../config/mount-options.js';
import type { Inode } from '../namespace/types.js';
import { native, Stat } from '../native.js';

import { now } from '../namespace/now.js';
import type { Context } from './context.js';
import { isDirectory, mayRead, mayWrite, O_NOATIME, UTIME_OMIT } from './modes.js';
import type { OpenFile } from './open-files.js';

const DAY_SECONDS = 86_400;

/** Where a filesystem stamps by the tick, what is read right after a change may have a time before it. */
const LAG_SECONDS = 0.01;

/**
 * Takes the time over that reading left on the backing file, where it was after the changes that the inode knows
 * of: what was read before them was judged by the times before them. @returns whether the inode changed
 */
export function takeAccessTime(ctx: Context, inode: Inode, stat: Float64Array): boolean {
  const [sec, nsec] = [stat[Stat.atimeSec], stat[Stat.atimeNsec]];
  if (!isAfter(sec, nsec, inode.atimeSec, inode.atimeNsec)) return false;
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = inode;
  const changed = Math.max(mtimeSec + mtimeNsec / 1e9, ctimeSec + ctimeNsec / 1e9);
  if (sec + nsec / 1e9 < changed - LAG_SECONDS) return false;
  return setAccessTime(ctx, inode, sec, nsec);
}

/** After a handle was given, so that reading through it leaves the trace that it should. */
export function openedForReading(ctx: Context, file: OpenFile, inode: Inode, flags: number): void {
  if (!mayRead(flags) || (flags & O_NOATIME) !== 0) return;
  if (file.serving === 'passthrough') return expectReading(file, inode);
  const { sec, nsec } = now();
  if (mayWrite(flags) || !setAccessTime(ctx, inode, sec, nsec)) return;
  ctx.namespace.update(inode);
  ctx.server.expireAccessTime(inode.ino);
}

/** Under relatime: the kernel sets the access time of a backing file when it is read next. */
export function nextReadingCounts(stat: Float64Array): boolean {
  const [sec, nsec] = [stat[Stat.atimeSec], stat[Stat.atimeNsec]];
  const isNewest =
    isAfter(sec, nsec, stat[Stat.mtimeSec], stat[Stat.mtimeNsec]) &&
    isAfter(sec, nsec, stat[Stat.ctimeSec], stat[Stat.ctimeNsec]);
  return !isNewest;
}

/**
 * A change that the backing file does not know of, such as of the mode, makes the next reading count. Setting
 * its times moves its own time of change, which makes it count there.
 */
function expectReading(file: OpenFile, inode: Inode): void {
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = inode;
  if (!isAfter(ctimeSec, ctimeNsec, mtimeSec, mtimeNsec)) return;
  if (file.expectsReading || file.writers > 0 || isRecent(inode)) return;
  file.expectsReading = true;
  try {
    native.setTimes(file.fd, inode.atimeSec, inode.atimeNsec, 0, UTIME_OMIT);
  } catch (error) {
    // Reading leaves no trace on a disk that became read-only.
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error;
  }
}

/** A directory was listed, or a link followed: the kernel leaves their times to us (S_NOATIME in fs/fuse/inode.c). */
export function touchAccessed(ctx: Context, inode: Inode): void {
  const { sec, nsec } = now();
  if (setAccessTime(ctx, inode, sec, nsec)) ctx.namespace.update(inode);
}

function setAccessTime(ctx: Context, inode: Inode, sec: number, nsec: number): boolean {
  const { flags, readOnly } = ctx.settings.mount;
  if (readOnly || (flags & MS.NOATIME) !== 0) return false;
  if ((flags & MS.NODIRATIME) !== 0 && isDirectory(inode.mode)) return false;
  const isStrict = (flags & MS.STRICTATIME) !== 0;
  if (!isStrict && isRecent(inode) && sec - inode.atimeSec < DAY_SECONDS) return false;
  inode.atimeSec = sec;
  inode.atimeNsec = nsec;
  return true;
}

/** It was read since it was changed in any way. */
function isRecent(inode: Inode): boolean {
  const { atimeSec, atimeNsec, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = inode;
  return (
    isAfter(atimeSec, atimeNsec, mtimeSec, mtimeNsec) &&
    isAfter(atimeSec, atimeNsec, ctimeSec, ctimeNsec)
  );
}

const isAfter = (sec: number, nsec: number, otherSec: number, otherNsec: number): boolean =>
  sec > otherSec || (sec === otherSec && nsec > otherNsec);
