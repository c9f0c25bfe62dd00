/** Set-id bits that writing to a file, cutting it, or a change of its owner takes away. */
import { readFileSync } from 'node:fs';
import type { Caller } from '../fuse/operations.js';
import type { Inode } from '../namespace/types.js';
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

function isMember({ uid, gid, pid }: Caller, group: number): boolean {
  return uid === 0 || gid === group || supplementaryGroups(pid).includes(group);
}

function supplementaryGroups(pid: number): number[] {
  return (statusOf(pid, 'Groups').match(/\d+/g) ?? []).map(Number);
}

const CAP_FSETID = 4n;

/** Root that has not given the right away. */
export function mayKeepSetId({ uid, pid }: Caller): boolean {
  if (uid !== 0) return false;
  const effective = statusOf(pid, 'CapEff').trim();
  return effective === '' || ((BigInt(`0x${effective}`) >> CAP_FSETID) & 1n) === 1n;
}

/** The process waits for our answer, so it is there; one of another pid namespace has no number here. */
function statusOf(pid: number, field: string): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return new RegExp(`^${field}:(.*)$`, 'm').exec(status)?.[1] ?? '';
  } catch {
    return '';
  }
}
