/** Pins hold for what is and will be below them: the nearest one counts. */
import type { Inode, Namespace } from './types.js';

/** Deeper than any path the kernel would resolve; guards against a loop in a damaged namespace. */
const MAX_DEPTH = 4096;

/**
 * Tier id of the nearest pin: the inode's own or that of a directory above the link that its record
 * names; 0 for none, and for an inode that is not there.
 */
export function pinOf(namespace: Pick<Namespace, 'get'>, ino: number): number {
  return pinHolder(namespace, ino)?.pin ?? 0;
}

/** The inode that carries the nearest pin. */
export function pinHolder(namespace: Pick<Namespace, 'get'>, ino: number): Inode | undefined {
  let at = namespace.get(ino);
  for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth++) {
    if (at.pin !== 0) return at;
    if (at.parent === 0 || at.parent === at.ino) return undefined;
    at = namespace.get(at.parent);
  }
  return undefined;
}
