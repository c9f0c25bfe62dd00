/** What the namespace holds: inodes, directory entries, extended attributes. Schema: README.md here. */

import type { FileClass } from '../config/file-class.js';

/** A name as a `latin1` string: one character per byte, so that any encoding survives. */
export type Name = string;

export const ROOT_INO = 1;

/**
 * One inode, decoded. Objects are shared: who changes one calls `Namespace.update` in the same turn.
 * A regular file's data is plain on `plainTier`, packed as the recipe of this inode, both (a clean hot
 * copy over its packed form) or neither (an empty file that was never written).
 */
export interface Inode {
  readonly ino: number;
  generation: number;
  /** st_mode, file type included. */
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  nlink: number;
  /** Bytes. */
  size: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  /**
   * The directory and name of one of its links (for directories the only one); 0 and '' when unlinked, and
   * from when that link was removed until another is looked up.
   */
  parent: number;
  name: Name;
  /** Symlink target, else ''. */
  target: Name;
  /** Tier id that holds the backing file, 0 for none. */
  plainTier: number;
  /** 512-byte blocks of the backing file as last recorded. */
  plainBlocks: number;
  /** Tier id that holds the packed form, 0 for none. */
  packedTier: number;
  /** Bytes that the chunks of the recipe take in packs, compressed, shared ones counted in full. */
  packedBytes: number;
  /** XXH3-128 of the content as packed, 32 hex digits, or ''. */
  digest: string;
  /** Decayed access score at `heatAt`. */
  heat: number;
  /** Milliseconds since the epoch; time of the last open as well. */
  heatAt: number;
  fileClass: FileClass;
  /** Tier id that the operator pinned it (for a directory: everything below) to, 0 for none. */
  pin: number;
  /** It has an access or default ACL among its extended attributes. */
  hasAcl: boolean;
  /** The kernel may have written to the backing file since size and times were recorded. */
  unsettled: boolean;
}

export interface Entry {
  name: Name;
  ino: number;
  /** S_IFMT bits of the inode's mode shifted right by 12 (DT_*). */
  type: number;
  /** Directory offset of this entry: stable while others come and go. 8 bytes, big endian, as 16 hex. */
  cookie: Buffer;
}

/** Fields that `create` needs; times are set to now. */
export interface NewInode {
  mode: number;
  uid: number;
  gid: number;
  rdev?: number;
  target?: Name;
  /** A number that was reserved for a spare; without it the next one is taken. */
  ino?: number;
}

export interface Namespace {
  /** The inode, or undefined. */
  get(ino: number): Inode | undefined;
  /** The same for a walk over many: it leaves the cache to what is in use. */
  peek(ino: number): Inode | undefined;
  /** A new inode with its own number, nlink 0, no entry yet. Numbers are never reused. */
  create(fields: NewInode): Inode;
  /** Marks an inode as changed, to be written with the current group. */
  update(inode: Inode): void;
  /** Removes the record, its attributes; entries must be gone. */
  destroy(inode: Inode): void;

  lookup(dir: number, name: Name): Entry | undefined;
  /** Adds or replaces an entry. Touches no inode. */
  insert(dir: number, name: Name, ino: number, type: number): void;
  remove(dir: number, name: Name): void;
  isEmpty(dir: number): boolean;
  /** Entries after `cookie` (8 bytes; undefined: from the start) in cookie order. `.` and `..` are not stored. */
  list(dir: number, cookie?: Buffer): Iterable<Entry>;

  getXattr(ino: number, name: Name): Buffer | undefined;
  setXattr(ino: number, name: Name, value: Buffer): void;
  /** @returns false where there was none. */
  removeXattr(ino: number, name: Name): boolean;
  listXattrs(ino: number): Name[];
  /** Whether any inode has one, ACLs included. */
  hasXattrs(): boolean;

  /** Inodes with nlink 0 that are still referenced; what a crash leaves is reclaimed at start. */
  addOrphan(ino: number): void;
  removeOrphan(ino: number): void;
  orphans(): number[];
  /** Takes a number for a backing file that is made before its inode, and notes it as a spare's. */
  reserveSpare(): number;
  removeSpare(ino: number): void;
  spares(): number[];
  /** Inodes whose backing file may be newer than the record; kept by `update` from `unsettled`. */
  unsettled(): number[];
  /**
   * Inodes whose bytes were lost with a tier: their plain tier is one that the volume has no more. One whose tier is back is
   * among them until the next start. Up to `limit`.
   */
  addLost(ino: number): void;
  removeLost(ino: number): void;
  lost(limit?: number): number[];

  /** Path from the root through first links, as bytes in latin1, '/a/b'; undefined when unlinked. */
  pathOf(ino: number): string | undefined;
  /** Every inode with a number above `after`, ascending, for sweeps in slices. */
  inodes(after: number): Iterable<Inode>;
  readonly counts: { inodes: number };
  /** Why nothing becomes durable at the moment, or null. */
  readonly failed: Error | null;
  /** The inode numbers, below `to`, of each earlier opening that may have left no durable record of them. */
  readonly unrecorded: readonly { from: number; to: number }[];
  /** Resolves when every change so far is durable. */
  commit(): Promise<void>;
}
