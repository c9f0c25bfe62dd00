/** Set-id bits that writing to a file, cutting it, or a change of its owner takes away. */
import { FileError } from '../fuse/errno.js';
import type { Caller } from '../fuse/operations.js';
import type { Inode } from '../namespace/types.js';
import { isMember, isOwner } from './callers.js';
import { S_ISGID, S_ISUID, S_IXGRP } from './modes.js';

/**
 * The kernel says when, since only it knows who writes past us. A set-gid bit without group execution is a mark
 * for mandatory locking and stays with members of the group.
 * @returns whether a bit went; the caller records the inode
 */
export function dropSetId(inode: Inode, caller: Caller): boolean {
  const { mode } = inode;
  if ((mode & (S_ISUID | S_ISGID)) === 0) return false;
  inode.mode = mode & ~S_ISUID;
  const marked = (mode & S_IXGRP) === 0;
  if (!marked || !isMember(caller, inode.gid)) inode.mode &= ~S_ISGID;
  return inode.mode !== mode;
}

/**
 * A chown that names neither owner nor group takes the bits all the same, from whoever may change the mode.
 * @throws EPERM
 */
export function dropByEmptyChown(inode: Inode, caller: Caller): void {
  const { mode } = inode;
  if (!dropSetId(inode, caller) || isOwner(caller, inode.uid)) return;
  inode.mode = mode;
  throw new FileError('EPERM');
}
