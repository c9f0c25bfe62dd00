/** rename(2) with all its flags. The kernel has checked permissions, loops, and which flags go together. */
import { FileError } from '../fuse/errno.js';
import type { Caller, Result } from '../fuse/operations.js';
import type { Inode, Name } from '../namespace/types.js';
import { now } from '../namespace/now.js';
import { inodeOf, touchChanged, touchModified } from './attributes.js';
import type { Context } from './context.js';
import {
  addFirstName,
  checkName,
  directoryOf,
  dropDirectory,
  dropLink,
  existing,
  newInode,
} from './entries.js';
import { flushData, isUnflushed } from './file-io.js';
import { entryType, isDirectory, isRegular, LINK_MAX, S_IFCHR } from './modes.js';

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;
const KNOWN = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;

interface Place {
  directory: Inode;
  name: Name;
}

/** A name in a directory, by inode number. */
export interface NameAt {
  parent: number;
  name: Name;
}

/** What a rename is about, as the namespace has it at the moment. */
interface Renaming {
  from: Place;
  to: Place;
  inode: Inode;
  /** What has the new name, if anything. */
  target: Inode | null;
}

export function rename(
  ctx: Context,
  caller: Caller,
  source: NameAt,
  destination: NameAt,
  flags: number,
): Result<void> {
  const renaming = checked(ctx, source, destination, flags);
  if (unflushed(ctx, renaming, flags).length > 0) {
    return renameFlushed(ctx, caller, source, destination, flags);
  }
  carryOut(ctx, caller, renaming, flags);
}

/**
 * Programs save a file by writing another one and renaming it over the first, often without fsync. The name is durable
 * within a second, the data whenever the tier writes it back: a power cut in between would lose the old content and
 * the new one. So data goes first, as on ext4 (auto_da_alloc). Each file is waited for once, whoever goes on writing.
 */
async function renameFlushed(
  ctx: Context,
  caller: Caller,
  source: NameAt,
  destination: NameAt,
  flags: number,
): Promise<void> {
  const flushed = new Set<number>();
  for (;;) {
    // The kernel keeps both directories locked for as long as this takes; nothing is taken for granted all the same.
    const renaming = checked(ctx, source, destination, flags);
    const waiting = unflushed(ctx, renaming, flags).find((ino) => !flushed.has(ino));
    if (waiting === undefined) return carryOut(ctx, caller, renaming, flags);
    await flushData(ctx, waiting);
    flushed.add(waiting);
  }
}

/** The files whose data has to be durable before they take the place of another file. */
function unflushed(ctx: Context, { inode, target }: Renaming, flags: number): number[] {
  if (target === null || target.ino === inode.ino || !isRegular(target.mode)) return [];
  const placed = (flags & RENAME_EXCHANGE) !== 0 ? [inode, target] : [inode];
  return placed.filter((one) => isUnflushed(ctx, one)).map(({ ino }) => ino);
}

function checked(ctx: Context, source: NameAt, destination: NameAt, flags: number): Renaming {
  if ((flags & ~KNOWN) !== 0) throw new FileError('EINVAL');
  // No whiteout could be made: that must not show halfway.
  if ((flags & RENAME_WHITEOUT) !== 0 && ctx.namespace.failed !== null) throw ctx.namespace.failed;
  checkName(destination.name);
  const from = { directory: directoryOf(ctx, source.parent), name: source.name };
  const to = { directory: directoryOf(ctx, destination.parent), name: destination.name };
  const inode = inodeOf(ctx, existing(ctx, source.parent, source.name).ino);
  const targetEntry = ctx.namespace.lookup(destination.parent, destination.name);
  const target = targetEntry === undefined ? null : inodeOf(ctx, targetEntry.ino);
  checkTarget(ctx, inode, target, flags);
  return { from, to, inode, target };
}

function checkTarget(ctx: Context, inode: Inode, target: Inode | null, flags: number): void {
  if ((flags & RENAME_EXCHANGE) !== 0) {
    if (target === null) throw new FileError('ENOENT');
  } else if (target !== null) {
    if ((flags & RENAME_NOREPLACE) !== 0) throw new FileError('EEXIST');
    if (target.ino !== inode.ino) checkReplace(ctx, inode, target);
  }
}

/** All of it in one turn. */
function carryOut(ctx: Context, caller: Caller, renaming: Renaming, flags: number): void {
  const { from, to, inode, target } = renaming;
  if (target !== null && target.ino === inode.ino) return;
  if (target !== null && (flags & RENAME_EXCHANGE) !== 0) {
    return exchange(ctx, from, to, inode, target);
  }
  move(ctx, from, to, inode, target);
  if ((flags & RENAME_WHITEOUT) !== 0) leaveWhiteout(ctx, caller, from);
}

/** What an overlay puts where a lower file must not show: a character device 0:0 without permissions. */
function leaveWhiteout(ctx: Context, caller: Caller, { directory, name }: Place): void {
  addFirstName(ctx, directory, name, newInode(ctx, caller, directory, { mode: S_IFCHR }));
}

function checkReplace(ctx: Context, inode: Inode, target: Inode): void {
  if (isDirectory(target.mode)) {
    if (!isDirectory(inode.mode)) throw new FileError('EISDIR');
    if (!ctx.namespace.isEmpty(target.ino)) throw new FileError('ENOTEMPTY');
  } else if (isDirectory(inode.mode)) {
    throw new FileError('ENOTDIR');
  }
}

function move(ctx: Context, from: Place, to: Place, inode: Inode, target: Inode | null): void {
  const changesParent = isDirectory(inode.mode) && from.directory !== to.directory;
  const replacesDirectory = target !== null && isDirectory(target.mode);
  if (changesParent && !replacesDirectory && to.directory.nlink >= LINK_MAX) {
    throw new FileError('EMLINK');
  }
  ctx.namespace.remove(from.directory.ino, from.name);
  ctx.namespace.insert(to.directory.ino, to.name, inode.ino, entryType(inode.mode));
  if (target !== null) dropReplaced(ctx, to, target);
  if (changesParent) {
    from.directory.nlink--;
    to.directory.nlink++;
  }
  setPlace(ctx, inode, from, to);
  stampDirectories(ctx, from, to);
}

function dropReplaced(ctx: Context, place: Place, target: Inode): void {
  if (!isDirectory(target.mode)) return dropLink(ctx, target, place.directory.ino, place.name);
  place.directory.nlink--;
  dropDirectory(ctx, target);
}

function exchange(ctx: Context, from: Place, to: Place, inode: Inode, target: Inode): void {
  ctx.namespace.insert(from.directory.ino, from.name, target.ino, entryType(target.mode));
  ctx.namespace.insert(to.directory.ino, to.name, inode.ino, entryType(inode.mode));
  const gained = Number(isDirectory(inode.mode)) - Number(isDirectory(target.mode));
  if (from.directory !== to.directory) {
    to.directory.nlink += gained;
    from.directory.nlink -= gained;
  }
  setPlace(ctx, inode, from, to);
  setPlace(ctx, target, to, from);
  stampDirectories(ctx, from, to);
}

/** The record's own name follows where it was this one; a file has other names too. */
function setPlace(ctx: Context, inode: Inode, from: Place, to: Place): void {
  const named = inode.parent === from.directory.ino && inode.name === from.name;
  if (named || inode.parent === 0) {
    inode.parent = to.directory.ino;
    inode.name = to.name;
  }
  if (isDirectory(inode.mode)) ctx.placing.directoryMoved();
  touchChanged(ctx, inode);
}

function stampDirectories(ctx: Context, from: Place, to: Place): void {
  const time = now();
  touchModified(ctx, from.directory, time);
  if (to.directory !== from.directory) touchModified(ctx, to.directory, time);
}
