/**
 * The inodes: decoded objects over their records.
 *
 * An inode has one object as long as it is changed but not yet handed to the store, or cached: callers
 * change it and call `update`, which holds it until the group leaves and only then encodes it, once
 * however often it changed. A clean object may be dropped from the cache at any time, so code that waited
 * (`await`) must get the inode again before it changes it; `update` refuses an object that another one
 * has replaced, and one that was destroyed.
 */
import { LRUCache } from 'lru-cache';
import type { Store } from '../store/types.js';
import type { Counters } from './counters.js';
import { namespaceError } from './errors.js';
import { decodeInode, encodeInode } from './inode-record.js';
import { numberKey, readNumber } from './keys.js';
import { now } from './now.js';
import type { NumberSet } from './number-set.js';
import type { Inode, NewInode } from './types.js';

export interface Inodes {
  get(ino: number): Inode | undefined;
  /** The same, without room in the cache for it: a walk over everything must not push out what is in use. */
  peek(ino: number): Inode | undefined;
  create(fields: NewInode): Inode;
  /** Makes an inode under a number of the caller's choice. */
  createAt(ino: number, fields: NewInode): Inode;
  update(inode: Inode): void;
  /** Removes the record. @returns false where it had been removed before */
  destroy(inode: Inode): boolean;
  all(after: number): Iterable<Inode>;
}

/** About 600 bytes each. */
export const CACHED_INODES = 50_000;

export interface InodesParts {
  store: Store;
  counters: Counters;
  unsettled: NumberSet;
  /** Number of decoded inodes to keep. */
  cached: number;
}

export function createInodes({ store, counters, unsettled, cached }: InodesParts): Inodes {
  const table = store.table('inodes');
  const cache = new LRUCache<number, Inode>({ max: cached });
  const dirty = new Map<number, Inode>();
  const destroyed = new WeakSet<Inode>();
  /** What the `unsettled` table says. */
  const known = new Set(unsettled.values());

  const recordUnsettled = (ino: number, is: boolean): void => {
    if (known.has(ino) === is) return;
    if (is) {
      known.add(ino);
      unsettled.add(ino);
    } else {
      known.delete(ino);
      unsettled.delete(ino);
    }
  };

  /** In order: LMDB fills its pages with ascending keys, and splits them in half for others. */
  const encodeDirty = (): void => {
    for (const ino of [...dirty.keys()].sort((a, b) => a - b)) {
      const inode = dirty.get(ino)!;
      table.put(numberKey(ino), encodeInode(inode));
      cache.set(ino, inode);
    }
    dirty.clear();
  };
  store.beforeCommit(encodeDirty);

  const createAt = (ino: number, fields: NewInode): Inode => {
    const inode = newInode(ino, fields);
    dirty.set(ino, inode);
    counters.inodes++;
    store.touch();
    return inode;
  };

  const read = (ino: number): Inode | undefined => {
    const record = table.get(numberKey(ino));
    return record === undefined ? undefined : decodeInode(ino, record);
  };

  return {
    get(ino) {
      const present = dirty.get(ino) ?? cache.get(ino);
      if (present !== undefined) return present;
      const inode = read(ino);
      if (inode !== undefined) cache.set(ino, inode);
      return inode;
    },

    peek: (ino) => dirty.get(ino) ?? cache.peek(ino) ?? read(ino),

    create(fields) {
      // Also for a number that was reserved before the store failed.
      if (store.failed !== null) throw store.failed;
      return createAt(fields.ino ?? counters.nextIno(), fields);
    },
    createAt,

    update(inode) {
      const { ino } = inode;
      if (dirty.get(ino) !== inode) {
        const present = dirty.get(ino) ?? cache.peek(ino);
        if (destroyed.has(inode) || (present !== undefined && present !== inode)) {
          throw namespaceError('ESTALE', `an outdated object of inode ${ino} was changed`);
        }
        dirty.set(ino, inode);
        store.touch();
      }
      recordUnsettled(ino, inode.unsettled);
    },

    destroy(inode) {
      if (destroyed.has(inode)) return false;
      const { ino } = inode;
      destroyed.add(inode);
      dirty.delete(ino);
      cache.delete(ino);
      table.remove(numberKey(ino));
      recordUnsettled(ino, false);
      counters.inodes--;
      return true;
    },

    *all(after) {
      encodeDirty();
      for (const { key, value } of table.range(numberKey(after + 1))) {
        const ino = readNumber(key, 0);
        yield dirty.get(ino) ?? cache.peek(ino) ?? decodeInode(ino, value);
      }
    },
  };
}

function newInode(ino: number, fields: NewInode): Inode {
  const { sec, nsec } = now();
  const target = fields.target ?? '';
  return {
    ino,
    // Numbers are never reused, so one generation is all there is.
    generation: 1,
    mode: fields.mode,
    uid: fields.uid,
    gid: fields.gid,
    rdev: fields.rdev ?? 0,
    nlink: 0,
    size: target.length,
    atimeSec: sec,
    atimeNsec: nsec,
    mtimeSec: sec,
    mtimeNsec: nsec,
    ctimeSec: sec,
    ctimeNsec: nsec,
    btimeSec: sec,
    btimeNsec: nsec,
    parent: 0,
    name: '',
    target,
    plainTier: 0,
    plainBlocks: 0,
    packedTier: 0,
    packedBytes: 0,
    digest: '',
    heat: 0,
    heatAt: Date.now(),
    fileClass: 'other',
    pin: 0,
    hasAcl: false,
    unsettled: false,
  };
}
