/**
 * Names of stored chunks. A chunk is named by its SHA-256. Where it was stored again, so that a file can be read in
 * order, that copy has a place and references of its own under the hash with the number of the copy behind it.
 */
import { HASH_BYTES, MAX_COPIES } from './limits.js';

/** The first one, number 0, has the hash itself for its name. */
export function nameOf(hash: Buffer, copy: number): Buffer {
  return copy === 0 ? hash : Buffer.concat([hash, Buffer.of(copy)]);
}

export function hashOf(name: Buffer): Buffer {
  return name.length === HASH_BYTES ? name : name.subarray(0, HASH_BYTES);
}

export function copyOf(name: Buffer): number {
  return name.length === HASH_BYTES ? 0 : name[HASH_BYTES];
}

/** Every name that a chunk can have. */
export function namesOf(hash: Buffer): Buffer[] {
  return Array.from({ length: MAX_COPIES + 1 }, (_, copy) => nameOf(hash, copy));
}
