/**
 * One table: the current group's writes over those of the group being written, over LMDB.
 */
import type { Database } from 'lmdb';
import { storeError } from './errors.js';
import { Pending } from './pending.js';
import { mergedRange, type Row } from './range.js';
import type { Table } from './types.js';

/** LMDB's own table, with bytes as keys and values. */
export type LmdbTable = Database<Buffer, Buffer>;

/** The reads of LMDB that its type declarations leave out. */
interface FastReads {
  /**
   * A value that is good until the next read. Mostly it stands at the start of a large buffer that all
   * reads share (`isGlobal`; its own `length` lies); a very large one is a window into the map.
   */
  getBinaryFast(key: Buffer): (Uint8Array & { isGlobal?: boolean; maxLength?: number }) | undefined;
  /** Bytes of the value read last. */
  lastSize: number;
}

const MAX_KEY_BYTES = 500;
/** What a pending write costs in memory beside its bytes, roughly. */
const WRITE_OVERHEAD = 128;
const FIRST_KEY = Buffer.from([0]);

export class GroupedTable implements Table {
  current = new Pending();
  inFlight: Pending | null = null;
  private readonly reads: FastReads;
  /** Of iterations under way. */
  private readonly cursors = new Set<Iterator<Row>>();
  private closed = false;

  /** `wrote` is told of each write and the memory it takes, in bytes; `read` of each read of LMDB. */
  constructor(
    private readonly database: LmdbTable,
    private readonly wrote: (bytes: number) => void,
    private readonly read: () => void,
  ) {
    this.reads = database as unknown as FastReads;
  }

  get(key: Buffer): Buffer | undefined {
    const pending = this.pendingValue(key);
    if (pending !== undefined) return pending ?? undefined;
    this.read();
    const value = this.reads.getBinaryFast(key);
    if (value === undefined) return undefined;
    return value.isGlobal ? copyShared(value, this.reads.lastSize) : Buffer.from(value);
  }

  put(key: Buffer, value: Buffer): void {
    this.write(key, value, value.length);
  }

  remove(key: Buffer): void {
    this.write(key, null, 0);
  }

  range(start: Buffer, end?: Buffer): Iterable<Row> {
    const first = start.length === 0 ? FIRST_KEY : start;
    const committed = this.committedRows(
      end === undefined ? { start: first } : { start: first, end },
    );
    const layers = this.inFlight === null ? [this.current] : [this.current, this.inFlight];
    return mergedRange(committed, layers, first, end);
  }

  /** The current group becomes the one being written. */
  rotate(): void {
    if (this.inFlight !== null) throw new Error('two groups are in flight');
    this.inFlight = this.current;
    this.current = new Pending();
  }

  /** Hands the group being written to LMDB, inside a batch. */
  writeOut(): void {
    if (this.inFlight === null) return;
    for (const [key, value] of this.inFlight.writes) {
      const bytes = Buffer.from(key, 'latin1');
      if (value === null) void this.database.remove(bytes);
      else void this.database.put(bytes, value);
    }
  }

  /** The group was written: LMDB answers for it from now on. */
  settle(): void {
    this.inFlight = null;
  }

  /** The group was not written: it goes back beneath the writes that came after it. */
  restore(): void {
    const older = this.inFlight;
    if (older === null) return;
    for (const [key, value] of this.current.writes) older.set(key, value);
    this.current = older;
    this.inFlight = null;
  }

  /** Ends what is being iterated: LMDB would crash on a cursor that outlives its environment. */
  close(): void {
    this.closed = true;
    for (const cursor of this.cursors) cursor.return?.();
    this.cursors.clear();
  }

  private *committedRows(bounds: { start: Buffer; end?: Buffer }): Generator<Row> {
    const cursor = this.database.getRange(bounds)[Symbol.iterator]();
    this.cursors.add(cursor);
    try {
      for (let row = cursor.next(); row.done !== true; row = cursor.next()) {
        yield row.value;
        this.read();
        if (this.closed) throw storeError('EBADF', 'the namespace database is closed');
      }
    } finally {
      if (this.cursors.delete(cursor)) cursor.return?.();
    }
  }

  private pendingValue(key: Buffer): Buffer | null | undefined {
    const older = this.inFlight;
    if (this.current.writes.size === 0 && older === null) return undefined;
    const name = key.toString('latin1');
    const newest = this.current.writes.get(name);
    return newest !== undefined || older === null ? newest : older.writes.get(name);
  }

  private write(key: Buffer, value: Buffer | null, bytes: number): void {
    if (key.length === 0 || key.length > MAX_KEY_BYTES) {
      throw new RangeError(`a key has 1 to ${MAX_KEY_BYTES} bytes, not ${key.length}`);
    }
    this.current.set(key.toString('latin1'), value);
    this.wrote(key.length + bytes + WRITE_OVERHEAD);
  }
}

/** An honest view of the buffer that LMDB's reads share. */
let sharedView = Buffer.alloc(0);

/** Twice as fast as the copying read that lmdb offers, which allocates a new ArrayBuffer each time. */
function copyShared(shared: Uint8Array & { maxLength?: number }, length: number): Buffer {
  if (sharedView.buffer !== shared.buffer) {
    sharedView = Buffer.from(shared.buffer as ArrayBuffer, shared.byteOffset, shared.maxLength);
  }
  const copy = Buffer.allocUnsafe(length);
  sharedView.copy(copy, 0, 0, length);
  return copy;
}
