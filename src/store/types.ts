/**
 * The store: one LMDB environment with named tables, read-your-writes and group commit.
 *
 * Writes land in memory at once and reads see them at once. A group of writes becomes one LMDB
 * transaction, written and synced by another thread; the next group gathers meanwhile. Everything that is
 * written between two turns of the event loop (with no `await` between) is in one transaction, so an
 * operation that must be atomic is a synchronous function.
 */

/** Keys and values are bytes; keys sort as bytes, 1 to 500 of them. */
export interface Table {
  /** The value, or undefined. The buffer is the caller's to keep and not to modify. */
  get(key: Buffer): Buffer | undefined;
  /** The key is copied, the value is not: who passes it must not modify it afterwards. */
  put(key: Buffer, value: Buffer): void;
  remove(key: Buffer): void;
  /** Entries with start <= key < end in key order, uncommitted ones included. Don't write while iterating. */
  range(start: Buffer, end?: Buffer): Iterable<{ key: Buffer; value: Buffer }>;
}

export interface Store {
  /** Opens or creates a table. Open tables at start: creating one waits for the disk. */
  table(name: string): Table;
  /** Runs just before a group is written, to add what is kept decoded elsewhere. Synchronous. */
  beforeCommit(hook: () => void): void;
  /** Says that a hook has something to add: counts as a write, so that it is flushed when idle. */
  touch(): void;
  /**
   * Resolves when everything written before the call is durable. Calls share commits. Rejects when the
   * group could not be written; the group is kept, stays readable and is part of the next attempt.
   */
  commit(): Promise<void>;
  /** True while something is not durable yet. */
  readonly pending: boolean;
  /** Transactions since it was opened: another number means that something changed. */
  readonly groups: number;
  /**
   * Why the last group could not be written, until one is (`code` is an errno name, `ENOSPC` ...).
   * While it is set, whoever changes things should refuse to: nothing becomes durable.
   */
  readonly failed: Error | null;
  /** Writes a compacted copy of the committed state into a directory, replacing an older copy there. */
  copyTo(directory: string): Promise<void>;
  /** Writes what is pending and closes. Rejects (after closing) where that could not be written. */
  close(): Promise<void>;
}
