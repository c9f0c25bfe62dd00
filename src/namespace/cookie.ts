/**
 * The directory offset ("cookie") of a name: a hash of the name, so that it stays as it is while other
 * entries come and go. It is the key of the entry within its directory and the `d_off` that programs see.
 */
import xxhash from 'xxhash-addon';
import type { Name } from './types.js';

/** Eight bytes, big endian, of a number from FIRST_COOKIE to 2^63 - 1. */
export type NameHash = (name: Name) => Buffer;

/** Lower offsets stand for the start of a directory, `.` and `..`. */
export const FIRST_COOKIE = 16;

/** Names whose hash is remembered: a lookup is mostly followed by an operation on the same name. */
const REMEMBERED = 4096;

/** XXH3-64 with seed 0, made positive and moved past the reserved offsets. Remembers recent names. */
export function createNameHash(): NameHash {
  let recent = new Map<Name, Buffer>();
  let older = new Map<Name, Buffer>();
  return (name) => {
    let cookie = recent.get(name);
    if (cookie !== undefined) return cookie;
    cookie = older.get(name) ?? hashName(name);
    if (recent.size >= REMEMBERED) {
      older = recent;
      recent = new Map();
    }
    recent.set(name, cookie);
    return cookie;
  };
}

function hashName(name: Name): Buffer {
  const cookie = xxhash.XXHash3.hash(Buffer.from(name, 'latin1'));
  cookie[0]! &= 0x7f;
  const reserved = cookie.readUInt32BE(0) === 0 && cookie.readUInt32BE(4) < FIRST_COOKIE;
  if (reserved) cookie[7]! += FIRST_COOKIE;
  return cookie;
}

/** The offset just after this one; undefined after the last that eight bytes can hold. */
export function nextCookie(cookie: Buffer): Buffer | undefined {
  const next = Buffer.from(cookie);
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = (next[i]! + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return undefined;
}
