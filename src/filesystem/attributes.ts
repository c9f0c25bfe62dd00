/** Attributes of inodes as the kernel gets them, and the merging of what a backing file knows better. */
import { native, Stat } from '../native.js';
import type { Inode } from '../namespace/types.js';
import { FileError } from '../fuse/errno.js';
import type { Attributes } from '../fuse/operations.js';
import { now, type Time } from '../namespace/now.js';
import { takeAccessTime } from './access-times.js';
import type { Context } from './context.js';
import { isDirectory, isRegular } from './modes.js';
import type { OpenFile } from './open-files.js';

/** Everything changes through us, so the kernel may remember for as long as it likes: one day. */
const CACHE_SECONDS = 86_400;
/**
 * Of a file that was just made: the kernel checks permissions once more before the program has it. One tick,
 * and ext4 itself stamps files no finer.
 */
const TICK_SECONDS = 0.001;
/** The kernel refuses the attributes of a file of 2^63 bytes or more, and then even its deletion. The next lower double. */
const LARGEST_SIZE = 2 ** 63 - 1024;
const DIRECTORY_BYTES = 4096;
const BLOCK_BYTES = 4096;

const scratch = new Float64Array(Stat.length);

/** @throws ESTALE where the inode is gone: the kernel holds a number that was destroyed. */
export function inodeOf(ctx: Context, ino: number): Inode {
  const inode = ctx.namespace.get(ino);
  if (inode === undefined) throw new FileError('ESTALE', `inode ${ino}`);
  return inode;
}

/** While a program may write past us, the kernel must ask each time for what the backing file says. */
export function attributesOf(ctx: Context, inode: Inode): Attributes {
  const live = isBeingWritten(ctx, inode);
  if (live || ctx.files.takeRead(inode.ino)) refreshFromBacking(ctx, inode);
  return describe(inode, live ? 0 : CACHE_SECONDS);
}

/** The same for a regular file that was just made and opened: its record is right. */
export const attributesOfNew = (inode: Inode): Attributes => describe(inode, TICK_SECONDS);

function describe(inode: Inode, attributesValid: number): Attributes {
  return {
    ino: inode.ino,
    size: isDirectory(inode.mode) ? DIRECTORY_BYTES : Math.min(inode.size, LARGEST_SIZE),
    blocks: blocksOf(inode),
    atimeSec: inode.atimeSec,
    atimeNsec: inode.atimeNsec,
    mtimeSec: inode.mtimeSec,
    mtimeNsec: inode.mtimeNsec,
    ctimeSec: inode.ctimeSec,
    ctimeNsec: inode.ctimeNsec,
    btimeSec: inode.btimeSec,
    btimeNsec: inode.btimeNsec,
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    blockSize: BLOCK_BYTES,
    generation: inode.generation,
    attributesValid,
    entryValid: CACHE_SECONDS,
  };
}

function isBeingWritten(ctx: Context, { ino, unsettled }: Inode): boolean {
  const file = ctx.files.peek(ino);
  if (file !== undefined && file.writers > 0) return true;
  return unsettled && ctx.files.writtenByMapping(ino);
}

/** Bytes really stored, in units of 512: the plain copy and the packed one where both are there. */
function blocksOf(inode: Inode): number {
  if (isRegular(inode.mode)) return inode.plainBlocks + Math.ceil(inode.packedBytes / 512);
  return isDirectory(inode.mode) ? DIRECTORY_BYTES / 512 : 0;
}

/** A name that does not exist: the kernel may remember that too. */
export const NEGATIVE_ENTRY: Attributes = {
  ino: 0,
  size: 0,
  blocks: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  ctimeSec: 0,
  ctimeNsec: 0,
  btimeSec: 0,
  btimeNsec: 0,
  mode: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  blockSize: 0,
  generation: 0,
  attributesValid: 0,
  entryValid: CACHE_SECONDS,
};

/** Takes size and times over from the open backing file, if there is one. @returns whether it changed. */
export function refreshFromBacking(ctx: Context, inode: Inode): boolean {
  const fd = ctx.files.descriptorOn(inode.plainTier, inode.ino);
  if (fd < 0) return false;
  native.statFd(fd, scratch);
  return recordBacking(ctx, inode, scratch);
}

/** Its last use ended, which nobody told: the record may be older than the file. */
export function recordLastUse(ctx: Context, { ino, fd, tier }: OpenFile): void {
  const inode = ctx.namespace.get(ino);
  if (inode?.plainTier !== tier) return;
  native.statFd(fd, scratch);
  recordBacking(ctx, inode, scratch);
}

/**
 * Records what fstat(2) of the backing file says. Data that changed moves ctime with mtime; our own
 * extended attributes on the backing file must not, so its ctime is not looked at.
 */
export function recordBacking(ctx: Context, inode: Inode, stat: Float64Array): boolean {
  const read = takeAccessTime(ctx, inode, stat);
  const modified =
    (stat[Stat.mtimeSec] !== inode.mtimeSec || stat[Stat.mtimeNsec] !== inode.mtimeNsec) &&
    !isUntouchedSpare(inode, stat);
  const grown = stat[Stat.size] !== inode.size || stat[Stat.blocks] !== inode.plainBlocks;
  if (!modified && !grown && !read) return false;
  if (modified) recordModified(inode, stat[Stat.mtimeSec], stat[Stat.mtimeNsec]);
  const tier = ctx.tiers.byId(inode.plainTier);
  if (tier !== undefined) {
    ctx.tiers.accountPlain(tier, (stat[Stat.blocks] - inode.plainBlocks) * 512);
  }
  inode.size = stat[Stat.size];
  inode.plainBlocks = stat[Stat.blocks];
  ctx.namespace.update(inode);
  return true;
}

/** A backing file may be made before its inode: until it is written to, its time says nothing. */
function isUntouchedSpare(inode: Inode, stat: Float64Array): boolean {
  if (stat[Stat.size] !== 0 || stat[Stat.blocks] !== 0) return false;
  const ahead = inode.btimeSec - stat[Stat.mtimeSec];
  return ahead > 0 || (ahead === 0 && inode.btimeNsec > stat[Stat.mtimeNsec]);
}

function recordModified(inode: Inode, sec: number, nsec: number): void {
  inode.mtimeSec = sec;
  inode.mtimeNsec = nsec;
  if (sec > inode.ctimeSec || (sec === inode.ctimeSec && nsec > inode.ctimeNsec)) {
    inode.ctimeSec = sec;
    inode.ctimeNsec = nsec;
  }
}

export function touchChanged(ctx: Context, inode: Inode, time: Time = now()): void {
  inode.ctimeSec = time.sec;
  inode.ctimeNsec = time.nsec;
  ctx.namespace.update(inode);
}

/** Marks a directory's content as changed now. */
export function touchModified(ctx: Context, inode: Inode, time: Time = now()): void {
  inode.mtimeSec = time.sec;
  inode.mtimeNsec = time.nsec;
  touchChanged(ctx, inode, time);
}
