/**
 * What a filesystem asks of the channel that it is attached to: to serve the data of open inodes, and to
 * make the kernel forget what changed behind it. The native session is one, and channel=fuse-native has another.
 */
import type { PlanHandle } from '../native.js';

export interface DataServer {
  /**
   * Serves READ and WRITE of `ino` from `fd` (duplicated). Replaces what served it before.
   * @throws EINVAL where `fd` was opened with O_APPEND: writes come with their offsets.
   */
  servePlain(ino: number, fd: number): void;
  /** The plan stays the caller's, and open until `unserve`. */
  servePacked(ino: number, plan: PlanHandle): void;
  unserve(ino: number): void;
  /** Registers a backing file for passthrough. @returns its id. @throws EPERM, EOPNOTSUPP, ELOOP. */
  backingOpen(fd: number): number;
  backingClose(backingId: number): void;
  /** `offset` -1: attributes only. `length` 0: to the end. */
  invalidateInode(ino: number, offset: number, length: number): void;
  /**
   * Writes back what programs changed through mappings of an inode that is served here, and drops its cached
   * pages. Resolves when the data is with the backing file, or at once after the end. Of a directory the kernel forgets
   * what it held.
   */
  writeBack(ino: number): Promise<void>;
  /**
   * Nothing more is pushed into the kernel's cache of an inode that is served from packs, once this resolves and
   * until it is served from something else.
   */
  endReadAhead(ino: number): Promise<void>;
  /**
   * The kernel asks for the access time of an inode again: from now on, or once it was read where it has no data of it.
   * Only for one that is open.
   */
  expireAccessTime(ino: number): void;
  invalidateEntry(parent: number, name: Buffer): void;
}

/** Stands in before the mount and after it: the kernel remembers nothing then, and no one is served. */
export const DETACHED: DataServer = {
  servePlain: refuse,
  servePacked: refuse,
  unserve: () => undefined,
  backingOpen: refuse,
  backingClose: () => undefined,
  invalidateInode: () => undefined,
  writeBack: () => Promise.resolve(),
  endReadAhead: () => Promise.resolve(),
  expireAccessTime: () => undefined,
  invalidateEntry: () => undefined,
};

function refuse(): never {
  throw new Error('no channel is attached');
}
