/**
 * The namespace over a store: inodes, entries, attributes and the sets beside them, each in its own
 * table. Schema and invariants: README.md here.
 */
import type { Store } from '../store/types.js';
import { createNameHash, type NameHash } from './cookie.js';
import { createCounters } from './counters.js';
import { createEntries } from './entries.js';
import { namespaceError } from './errors.js';
import { CACHED_INODES, createInodes, type Inodes } from './inodes.js';
import { createNumberSet } from './number-set.js';
import { ROOT_INO, type Inode, type Namespace, type Name } from './types.js';
import { createXattrs, type Xattrs } from './xattrs.js';

/** What a test replaces to reach a corner, and what few volumes need. */
export interface NamespaceParts {
  hash?: NameHash;
  /** Number of decoded inodes to keep. */
  cachedInodes?: number;
  /** See `openNamespace`. */
  beginAt?: number;
}

const ROOT_MODE = 0o40755;
const MAX_DEPTH = 4096;
const MAX_TARGET_BYTES = 4095;
/** Few volumes have any, and a table of its own would have to be made in each. */
const LOST = 'lost/';

/**
 * Opens the namespace of a store; a new one gets its root directory. One per store. `beginAt`: the store is an older copy,
 * inode numbers below this may have been given out since; commit before anything gets a number.
 */
export function openNamespace(store: Store, beginAt?: number): Namespace {
  return createNamespace(store, { beginAt });
}

export function createNamespace(store: Store, parts: NamespaceParts): Namespace {
  const counters = createCounters(store, ROOT_INO + 1, parts.beginAt);
  const unsettled = createNumberSet(store.table('unsettled'));
  const orphans = createNumberSet(store.table('orphans'));
  const spares = createNumberSet(store.table('spares'));
  const lost = createNumberSet(store.table('meta'), LOST);
  const entries = createEntries(store.table('entries'), parts.hash ?? createNameHash());
  const xattrs = createXattrs(store.table('xattrs'));
  const cached = parts.cachedInodes ?? CACHED_INODES;
  const inodes = createInodes({ store, counters, unsettled, cached });
  store.beforeCommit(() => counters.write());
  if (parts.beginAt !== undefined) store.touch();
  if (inodes.get(ROOT_INO) === undefined) createRoot(inodes);
  return {
    ...entries,
    ...xattrs,
    get: inodes.get,
    peek: inodes.peek,
    update: inodes.update,
    inodes: inodes.all,
    create(fields) {
      if ((fields.target?.length ?? 0) > MAX_TARGET_BYTES) {
        throw namespaceError('ENAMETOOLONG', `a target has at most ${MAX_TARGET_BYTES} bytes`);
      }
      return inodes.create(fields);
    },
    destroy(inode) {
      if (inodes.destroy(inode)) removeXattrs(xattrs, inode.ino);
    },
    addOrphan: orphans.add,
    removeOrphan: orphans.delete,
    orphans: orphans.values,
    reserveSpare() {
      const ino = counters.nextIno();
      spares.add(ino);
      return ino;
    },
    removeSpare: spares.delete,
    spares: spares.values,
    unsettled: unsettled.values,
    addLost: lost.add,
    removeLost: lost.delete,
    lost: lost.values,
    pathOf: (ino) => pathOf(inodes, ino),
    counts: {
      get inodes() {
        return counters.inodes;
      },
    },
    get failed() {
      return store.failed;
    },
    unrecorded: counters.unrecorded,
    commit: () => store.commit(),
  };
}

/** It belongs to who mounts first: an ordinary user could not make anything in it otherwise. */
function createRoot(inodes: Inodes): void {
  const [uid, gid] = [process.geteuid!(), process.getegid!()];
  const root = inodes.createAt(ROOT_INO, { mode: ROOT_MODE, uid, gid });
  root.nlink = 2;
  root.parent = ROOT_INO;
  inodes.update(root);
}

function removeXattrs(xattrs: Xattrs, ino: number): void {
  for (const name of xattrs.listXattrs(ino)) xattrs.removeXattr(ino, name);
}

/** Undefined as well for a chain that is broken, turns in a circle or is deeper than any path. */
function pathOf(inodes: Inodes, ino: number): string | undefined {
  if (ino === ROOT_INO) return '/';
  const names: Name[] = [];
  let inode: Inode | undefined = inodes.get(ino);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (inode === undefined || inode.parent === 0) return undefined;
    names.push(inode.name);
    if (inode.parent === ROOT_INO) return '/' + names.reverse().join('/');
    inode = inodes.get(inode.parent);
  }
  return undefined;
}
