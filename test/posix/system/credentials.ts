/** Acting as another user, on the thread of JavaScript alone; what runs on other threads stays root. */
import { call, u32 } from './calls.js';

export interface User {
  uid: number;
  gid: number;
  /** Supplementary groups. */
  groups?: number[];
}

/** Users without capabilities, who share no group unless a case says so. */
export const ALICE: User = { uid: 21_001, gid: 31_001 };
export const BOB: User = { uid: 21_002, gid: 31_002 };
export const CAROL: User = { uid: 21_003, gid: 31_003 };

/**
 * Runs as that user and comes back to root; synchronous. Real and effective ids change, so capabilities
 * don't help; the saved id stays root's for the way back.
 */
export function as<T>(user: User, work: () => T): T {
  const groups = user.groups ?? [];
  call('setgroups', groups.length, u32(...groups, 0));
  call('setresgid', user.gid, user.gid, 0);
  call('setresuid', user.uid, user.uid, 0);
  try {
    const result = work();
    if (result instanceof Promise) throw new TypeError('work must be synchronous');
    return result;
  } finally {
    call('setresuid', 0, 0, 0);
    call('setresgid', 0, 0, 0);
    call('setgroups', 0, u32(0));
  }
}
