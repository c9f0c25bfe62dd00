/**
 * The backtrace: an extended attribute on each backing file that says which file of the namespace
 * it is, so that the namespace can be rebuilt from the tiers alone. Format: README.md here.
 */
import type { Inode } from '../namespace/types.js';

export const BACKTRACE_XATTR = 'user.coral-reef.backtrace';
export const BACKTRACE_FORMAT = 1;

export interface Backtrace {
  ino: number;
  /** Inode number of the directory of the first link; 0 where it is unlinked. */
  parent: number;
  /** The name as `latin1`. */
  name: string;
  mode: number;
  uid: number;
  gid: number;
}

export function encodeBacktrace(inode: Inode): Buffer {
  const { ino, parent, mode, uid, gid } = inode;
  const name = Buffer.from(inode.name, 'latin1').toString('base64');
  return Buffer.from(JSON.stringify({ v: BACKTRACE_FORMAT, ino, parent, name, mode, uid, gid }));
}

/** The backtrace, or undefined where the bytes are none that this version knows. */
export function decodeBacktrace(bytes: Buffer): Backtrace | undefined {
  try {
    const value = JSON.parse(bytes.toString('utf8')) as Backtrace & { v: number };
    const { v, ino, parent, mode, uid, gid } = value;
    if (v !== BACKTRACE_FORMAT || ![ino, parent, mode, uid, gid].every(Number.isSafeInteger)) {
      return undefined;
    }
    const name = Buffer.from(value.name, 'base64').toString('latin1');
    return { ino, parent, name, mode, uid, gid };
  } catch {
    return undefined;
  }
}
