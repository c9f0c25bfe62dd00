/**
 * What a request does not say of who sent it. Since ALLOW_IDMAP the kernel names the caller's ids only in requests
 * that make an inode; the process waits for our answer, so it is there to look at.
 */
import { readFileSync } from 'node:fs';
import type { Caller } from '../fuse/operations.js';

/** FUSE_INVALID_UIDGID: the request names nobody. */
const UNNAMED = 0xffffffff;
const CAP_FSETID = 4n;

/** Fields of /proc/PID/status; empty for a process of another pid namespace, which has no number here. */
function statusOf(pid: number, field: string): string {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return new RegExp(`^${field}:(.*)$`, 'm').exec(status)?.[1] ?? '';
  } catch {
    return '';
  }
}

/** The id that file access goes by, the last of four: real, effective, saved, of the filesystem. */
function idOf(named: number, pid: number, field: 'Uid' | 'Gid'): number {
  if (named !== UNNAMED) return named;
  return Number(statusOf(pid, field).match(/\d+/g)?.[3] ?? UNNAMED);
}

export const isRoot = ({ uid, pid }: Caller): boolean => idOf(uid, pid, 'Uid') === 0;

export const isOwner = (caller: Caller, owner: number): boolean =>
  isRoot(caller) || idOf(caller.uid, caller.pid, 'Uid') === owner;

export function isMember(caller: Caller, group: number): boolean {
  const { gid, pid } = caller;
  if (isRoot(caller) || idOf(gid, pid, 'Gid') === group) return true;
  return (statusOf(pid, 'Groups').match(/\d+/g) ?? []).map(Number).includes(group);
}

/** Root that has not given the right away. */
export function mayKeepSetId(caller: Caller): boolean {
  if (!isRoot(caller)) return false;
  const effective = statusOf(caller.pid, 'CapEff').trim();
  return effective === '' || ((BigInt(`0x${effective}`) >> CAP_FSETID) & 1n) === 1n;
}
