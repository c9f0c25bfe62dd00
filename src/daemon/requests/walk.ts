/** All files below a directory, in slices, so that a big tree does not hold up who reads and writes. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Entry, Inode, Namespace } from '../../namespace/types.js';
import { adoptName, isDirectory, isFile, type Target } from './find.js';

const SLICE = 500;

/** How a walk gets at the inode of an entry. */
type Look = (namespace: Namespace, directory: Inode, entry: Entry) => Inode | undefined;

/** For who acts on files: each has a path from then on. */
const adopt: Look = (namespace, directory, entry) => {
  const inode = namespace.get(entry.ino);
  if (inode?.parent === 0) adoptName(namespace, inode, directory.ino, entry.name);
  return inode;
};

/** For who only looks: nothing changes, and the cache is left to what is in use. */
export const peek: Look = (namespace, _directory, { ino }) => namespace.peek(ino);

/** The target itself where it is a file. A file with two names below comes once. */
export async function* filesBelow(
  namespace: Namespace,
  target: Target,
  look = adopt,
): AsyncGenerator<Target> {
  if (isFile(target.inode)) yield target;
  if (!isDirectory(target.inode)) return;
  const linked = new Set<number>();
  const directories: Target[] = [target];
  const pace = { left: SLICE };
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    for await (const child of children(namespace, at, look, pace)) {
      if (isDirectory(child.inode)) directories.push(child);
      else if (isFile(child.inode) && first(child.inode, linked)) yield child;
    }
  }
}

function first(inode: Inode, linked: Set<number>): boolean {
  if (inode.nlink < 2) return true;
  const seen = linked.has(inode.ino);
  linked.add(inode.ino);
  return !seen;
}

/**
 * Continues by cookie after each slice, so entries may come and go meanwhile. `pace` counts entries across directories:
 * many small ones are as much work as a large one.
 */
async function* children(
  namespace: Namespace,
  directory: Target,
  look: Look,
  pace: { left: number },
): AsyncGenerator<Target> {
  let cookie: Buffer | undefined;
  for (;;) {
    const slice: Target[] = [];
    let read = 0;
    for (const entry of namespace.list(directory.inode.ino, cookie)) {
      const inode = look(namespace, directory.inode, entry);
      const below = `${directory.below === '/' ? '' : directory.below}/${entry.name}`;
      if (inode !== undefined) slice.push({ inode, below, path: below });
      cookie = entry.cookie;
      read += 1;
      if (read === SLICE) break;
    }
    yield* slice;
    pace.left -= read + 1;
    if (pace.left <= 0) {
      pace.left = SLICE;
      await turn();
    }
    if (read < SLICE) return;
  }
}
