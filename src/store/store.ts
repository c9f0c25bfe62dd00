/**
 * Opens the store and runs its group commit.
 *
 * A group lives through these steps:
 * 1. it gathers writes (`current` of each table); reads see them at once;
 * 2. `commit`, a full group or the idle clock asks for a flush, which starts when the running piece of
 *    JavaScript has ended, so an operation without `await` is never cut in two;
 * 3. hooks add what they hold decoded, then every table's writes become its `inFlight` ones and go to LMDB
 *    as one transaction on another thread, while the next group gathers;
 * 4. the transaction is durable: readers move to the new snapshot, then the writes leave memory.
 * Where step 4 fails the group goes back beneath the next one: nothing is lost from view, and the next
 * flush takes both.
 *
 * Why a resolved `commit` means durable: see README.md here.
 */
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as Lmdb from 'lmdb';
import { replaceCopy } from './copy.js';
import { asError, commitError, storeError, unreadable } from './errors.js';
import { DATA_FILE, prepareFiles } from './files.js';
import { checkFormat } from './format.js';
import { boundResidence, type Residence } from './residence.js';
import { GroupedTable, type LmdbTable } from './table.js';
import type { Store, Table } from './types.js';

export interface StoreOptions {
  /** False refuses (ENOENT) where there is no database yet; true by default. */
  create?: boolean;
  /** A group with this many writes is flushed at once. */
  groupWrites?: number;
  /** A group that takes this much memory is flushed at once. Bytes. */
  groupBytes?: number;
  /** The oldest write waits this long before it is flushed without a `commit`. Milliseconds. */
  idleMs?: number;
  /** Wait after a failed flush before the next one that nobody asked for. Milliseconds. */
  retryMs?: number;
}

/** Handing a write to LMDB takes the event loop about 1.5 us: a full group stalls it for some 6 ms. */
const DEFAULTS: Required<StoreOptions> = {
  create: true,
  groupWrites: 4096,
  groupBytes: 8 << 20,
  idleMs: 1000,
  retryMs: 5000,
};

/** What `require` gives is one file and takes half the time to load: every mount waits for it. */
const { open } = createRequire(import.meta.url)('lmdb') as typeof Lmdb;

/** Address space, not memory or disk: the map never has to move as the database grows. */
const MAP_BYTES = 2 ** 40;
const MAX_TABLES = 64;

/** A key that nobody has. */
const PROBE_KEY = Buffer.from([0]);

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

type Root = Lmdb.RootDatabase<Buffer, Buffer>;

/**
 * Opens or creates the store in a directory. One process at a time.
 * @throws Error in one line that names the directory, where it holds no readable store of this format
 */
export async function openStore(directory: string, options: StoreOptions = {}): Promise<Store> {
  const root = openRoot(directory, options.create ?? true);
  const store = new GroupCommitStore(root, directory, options);
  try {
    await checkFormat(store, directory);
    return store;
  } catch (error) {
    await store.close().catch(() => undefined);
    throw error;
  }
}

function openRoot(directory: string, create: boolean): Root {
  try {
    prepareFiles(directory, create);
    return open<Buffer, Buffer>({
      ...BINARY,
      path: directory,
      noSubdir: false,
      // One transaction is in flight at a time and waits for the disk anyway; see README.md.
      overlappingSync: false,
      // A group is one explicit batch. With the implicit ones a failure also rejects a promise that
      // nobody can reach.
      eventTurnBatching: false,
      mapSize: MAP_BYTES,
      remapChunks: false,
      maxDbs: MAX_TABLES,
    });
  } catch (error) {
    throw unreadable(directory, error);
  }
}

class GroupCommitStore implements Store {
  failed: Error | null = null;
  groups = 0;
  private readonly tables = new Map<string, GroupedTable>();
  private readonly hooks: (() => void)[] = [];
  private readonly limits: Required<StoreOptions>;
  /** Size of the current group; a write that a hook will add counts as well. */
  private writes = 0;
  private bytes = 0;
  private timer: NodeJS.Timeout | null = null;
  /** The flush that will take the current group, once asked for. */
  private queued: Promise<void> | null = null;
  /** The group being written. */
  private flight: Promise<void> | null = null;
  private closing: Promise<void> | null = null;
  /** One at a time: two may be for one directory. */
  private copying: Promise<void> = Promise.resolve();
  private closed = false;
  private readonly residence: Residence;

  constructor(
    private readonly root: Root,
    private readonly directory: string,
    options: StoreOptions,
  ) {
    this.limits = { ...DEFAULTS, ...options };
    this.residence = boundResidence(join(realpathSync(directory), DATA_FILE));
  }

  get pending(): boolean {
    return this.writes > 0 || this.flight !== null;
  }

  table(name: string): Table {
    const known = this.tables.get(name);
    if (known !== undefined) return known;
    const database: LmdbTable = this.root.openDB<Buffer, Buffer>({ ...BINARY, name });
    const table = new GroupedTable(
      database,
      (bytes) => this.wrote(bytes),
      () => this.residence.noteRead(),
    );
    this.tables.set(name, table);
    return table;
  }

  beforeCommit(hook: () => void): void {
    this.hooks.push(hook);
  }

  touch(): void {
    this.wrote(0);
  }

  commit(): Promise<void> {
    return this.writes > 0 ? this.queueFlush() : (this.flight ?? Promise.resolve());
  }

  copyTo(directory: string): Promise<void> {
    const copying = this.copying
      .catch(() => undefined)
      .then(() => replaceCopy(directory, (into) => this.root.backup(into, true)));
    this.copying = copying;
    return copying;
  }

  close(): Promise<void> {
    this.closing ??= this.flushAndClose();
    return this.closing;
  }

  private wrote(bytes: number): void {
    if (this.closed) throw storeError('EBADF', 'the namespace database is closed');
    this.startClock(this.limits.idleMs);
    this.writes++;
    this.bytes += bytes;
    const full = this.writes >= this.limits.groupWrites || this.bytes >= this.limits.groupBytes;
    // After a failure only `commit` and the clock try again, not every write.
    if (full && this.failed === null) void this.queueFlush();
  }

  private startClock(delayMs: number): void {
    this.timer ??= setTimeout(() => void this.queueFlush(), delayMs);
  }

  private stopClock(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }

  /** Flushes once the code that runs now has ended and no group is in flight. */
  private queueFlush(): Promise<void> {
    if (this.queued === null) {
      const ready = this.flight === null ? Promise.resolve() : this.flight.catch(() => undefined);
      this.queued = ready.then(() => this.flush());
      // Who called `commit` hears of a failure; for the others there is `failed`.
      this.queued.catch(() => undefined);
    }
    return this.queued;
  }

  private async flush(): Promise<void> {
    this.flight = this.writeGroup();
    // Only now: what the hooks wrote is in this group and asks for no further flush.
    this.queued = null;
    this.stopClock();
    try {
      await this.flight;
      this.failed = null;
    } catch (error) {
      this.failed = asError(error);
      if (!this.closed) this.startClock(this.limits.retryMs);
      throw this.failed;
    } finally {
      this.flight = null;
    }
  }

  /** Steps 3 and 4 of a group's life. */
  private async writeGroup(): Promise<void> {
    if (this.failed !== null) this.checkAlive();
    for (const hook of this.hooks) hook();
    const { writes, bytes } = this;
    this.writes = this.bytes = 0;
    for (const table of this.tables.values()) table.rotate();
    try {
      await this.writeTransaction();
    } catch (error) {
      for (const table of this.tables.values()) table.restore();
      this.writes += writes;
      this.bytes += bytes;
      throw error;
    }
    this.groups++;
    this.root.resetReadTxn();
    for (const table of this.tables.values()) table.settle();
  }

  /** Resolves when the group is on the medium. @throws Error with an errno name as `code` */
  private async writeTransaction(): Promise<void> {
    try {
      await this.root.batch(() => {
        for (const table of this.tables.values()) table.writeOut();
      });
    } catch (error) {
      throw await commitError(error, this.directory);
    }
  }

  /**
   * Before another attempt. After a failed write of its root page LMDB refuses everything, and a write
   * transaction of the lmdb package would then wait for ever; a fresh read transaction says so at once.
   * @throws EIO: the volume must be mounted again, which finds the last durable state
   */
  private checkAlive(): void {
    try {
      this.root.resetReadTxn();
      this.root.getBinary(PROBE_KEY);
    } catch {
      throw storeError('EIO', `the namespace database in ${this.directory} must be mounted again`);
    }
  }

  private async flushAndClose(): Promise<void> {
    try {
      while (this.pending) await this.commit();
    } finally {
      this.closed = true;
      this.stopClock();
      this.residence.stop();
      for (const table of this.tables.values()) table.close();
      await this.root.close();
    }
  }
}
