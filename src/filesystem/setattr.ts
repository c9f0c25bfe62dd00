/** getattr's counterpart: mode, owner, times, and size by truncation. */
import { native, Stat } from '../native.js';
import { FileError } from '../fuse/errno.js';
import { SetattrValid } from '../fuse/protocol.js';
import type { Attributes, Caller, Result, SetattrRequest } from '../fuse/operations.js';
import type { Inode } from '../namespace/types.js';
import { now, type Time } from '../namespace/now.js';
import {
  attributesOf,
  inodeOf,
  recordBacking,
  refreshFromBacking,
  touchChanged,
} from './attributes.js';
import { followMode } from './acl.js';
import { mayKeepSetId } from './callers.js';
import type { Context } from './context.js';
import { cutWithoutBacking } from './empty-files.js';
import { dropByEmptyChown, dropSetId } from './set-id.js';
import { checkPosition } from './file-io.js';
import { flushSynchronous } from './synchronous.js';
import { withWritableData } from './writable.js';
import { isDirectory, isRegular, O_RDWR, PERMISSIONS, UTIME_OMIT } from './modes.js';

const stat = new Float64Array(Stat.length);

export function setattr(ctx: Context, caller: Caller, request: SetattrRequest): Result<Attributes> {
  if ((request.valid & SetattrValid.SIZE) !== 0) return truncateThenApply(ctx, caller, request);
  const inode = inodeOf(ctx, request.ino);
  apply(ctx, caller, inode, request);
  return attributesOf(ctx, inode);
}

async function truncateThenApply(
  ctx: Context,
  caller: Caller,
  request: SetattrRequest,
): Promise<Attributes> {
  await truncate(ctx, request.ino, request.size);
  const inode = inodeOf(ctx, request.ino);
  apply(ctx, caller, inode, request);
  return attributesOf(ctx, inode);
}

/** Cuts or extends a file; a packed one is hydrated first, or given up where nothing of it remains. */
export async function truncate(ctx: Context, ino: number, size: number): Promise<void> {
  const inode = inodeOf(ctx, ino);
  if (isDirectory(inode.mode)) throw new FileError('EISDIR');
  if (!isRegular(inode.mode)) throw new FileError('EINVAL');
  checkPosition(size);
  if (size === 0 && (await cutWithoutBacking(ctx, ino))) return;
  await withWritableData(ctx, ino, O_RDWR, size === 0, async (fd) => {
    await native.truncate(fd, size);
    await flushSynchronous(ctx, fd);
    native.statFd(fd, stat);
    recordBacking(ctx, inodeOf(ctx, ino), stat);
  });
}

/** All that a request says about the file itself, not about who asks or through which handle. */
const CHANGES =
  SetattrValid.MODE |
  SetattrValid.UID |
  SetattrValid.GID |
  SetattrValid.SIZE |
  SetattrValid.ATIME |
  SetattrValid.MTIME |
  SetattrValid.CTIME;

const UNCONDITIONAL = SetattrValid.KILL_SUIDGID | SetattrValid.UID | SetattrValid.GID;

/**
 * Before one writes who may not keep set-id bits, the kernel sends a request that changes nothing: with
 * HANDLE_KILLPRIV_V2 it leaves the new mode to us (file_remove_privs, fuse_setattr). Whoever writes to a file
 * with capabilities causes the same, and so does a chown that names nobody: that it is where no one writes.
 */
function takeSetId(ctx: Context, caller: Caller, inode: Inode, valid: number): void {
  if ((valid & UNCONDITIONAL) !== 0) dropSetId(inode, caller);
  else if ((valid & CHANGES) !== 0) return;
  else if ((ctx.files.peek(inode.ino)?.writers ?? 0) === 0) dropByEmptyChown(inode, caller);
  else if (!mayKeepSetId(caller)) dropSetId(inode, caller);
}

function apply(ctx: Context, caller: Caller, inode: Inode, request: SetattrRequest): void {
  const { valid } = request;
  refreshFromBacking(ctx, inode);
  if (!isDirectory(inode.mode)) takeSetId(ctx, caller, inode, valid);
  if ((valid & SetattrValid.MODE) !== 0) {
    inode.mode = (inode.mode & ~PERMISSIONS) | (request.mode & PERMISSIONS);
    followMode(ctx, inode);
  }
  if ((valid & SetattrValid.UID) !== 0) inode.uid = request.uid;
  if ((valid & SetattrValid.GID) !== 0) inode.gid = request.gid;
  applyTimes(ctx, inode, request);
  touchChanged(ctx, inode);
}

function applyTimes(ctx: Context, inode: Inode, request: SetattrRequest): void {
  const { valid } = request;
  const atime = pick(valid, SetattrValid.ATIME, SetattrValid.ATIME_NOW, {
    sec: request.atimeSec,
    nsec: request.atimeNsec,
  });
  const mtime = pick(valid, SetattrValid.MTIME, SetattrValid.MTIME_NOW, {
    sec: request.mtimeSec,
    nsec: request.mtimeNsec,
  });
  if (atime !== null) {
    inode.atimeSec = atime.sec;
    inode.atimeNsec = atime.nsec;
  }
  if (mtime !== null) {
    inode.mtimeSec = mtime.sec;
    inode.mtimeNsec = mtime.nsec;
    // A copy that is being made carries the time from before.
    ctx.files.noteChange(inode.ino);
  }
  if (atime !== null || mtime !== null) stampBacking(ctx, inode, mtime);
}

function pick(valid: number, given: number, current: number, time: Time): Time | null {
  if ((valid & current) !== 0) return now();
  return (valid & given) !== 0 ? time : null;
}

const OMIT: Time = { sec: 0, nsec: UTIME_OMIT };

/**
 * Where the backing file is looked at for times (a writer has it open, it has not settled, or it was read),
 * its own must say the same, or the next look would undo what the program set.
 */
function stampBacking(ctx: Context, inode: Inode, mtime: Time | null): void {
  if (inode.plainTier === 0) return;
  const { sec, nsec } = mtime ?? OMIT;
  const stamp = (fd: number): void =>
    native.setTimes(fd, inode.atimeSec, inode.atimeNsec, sec, nsec);
  const fd = ctx.files.descriptorOn(inode.plainTier, inode.ino);
  if (fd >= 0) return stamp(fd);
  const tier = ctx.tiers.byId(inode.plainTier);
  if (tier === undefined || tier.state === 'missing' || tier.state === 'read-only') return;
  const own = native.openSync(ctx.tiers.backingPath(tier, inode.ino), O_RDWR, 0);
  try {
    stamp(own);
  } finally {
    native.close(own);
  }
}
