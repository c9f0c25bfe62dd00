/**
 * The store: one LMDB environment with named tables, read-your-writes and group commit.
 *
 * Writes land in memory at once and reads see them at once. A group of writes becomes one LMDB
 * transaction, written and synced by another thread; the next group gathers meanwhile. Everything that is
 * written between two turns of the event loop (with no `await` between) is in one transaction, so an
 * operation that must be atomic is a synchronous function.
 */

/** Keys and values are bytes; keys sort as bytes, at most 500 of them. */
export interface Table {
  /** The value, or undefined. The buffer is the caller's to keep and not to modify. */
  get(key: Buffer): Buffer | undefined;
  put(key: Buffer, value: Buffer): void;
  remove(key: Buffer): void;
  /** Entries with start <= key < end in key order, uncommitted ones included. Don't write while iterating. */
  range(start: Buffer, end?: Buffer): Iterable<{ key: Buffer; value: Buffer }>;
}

export interface Store {
  table(name: string): Table;
  /** Runs just before a group is written, to add what is kept decoded elsewhere. Synchronous. */
  beforeCommit(hook: () => void): void;
  /** Resolves when everything written before the call is durable. Calls share commits. */
  commit(): Promise<void>;
  /** True while something is not durable yet. */
  readonly pending: boolean;
  /** Writes a compacted copy of the committed state into a directory. */
  copyTo(directory: string): Promise<void>;
  close(): Promise<void>;
}
