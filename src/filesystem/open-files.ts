/**
 * Open files: per inode how many handles, and the one form in which it is being served.
 *
 * Lifecycle of an entry: 1. `acquire` counts a handle (before anything is awaited, so that migration sees
 * it); 2. opening fills `fd` (plain) or `plan` (packed) and sets `serving`; 3. `release` of the last handle
 * stops serving and runs what waited for that; 4. an idle entry keeps its descriptor for the next open
 * until it is pushed out or its bytes move.
 *
 * The kernel refuses to mix passthrough with cached opens of one inode, so `serving` stays what the first
 * open made it until the last handle closes. The one change in between, packed to plain when a writer
 * comes, stays within cached serving.
 *
 * The handle given to the kernel is the access mode alone: nothing the kernel holds refers to memory that
 * a later daemon could not rebuild.
 */
import { LRUCache } from 'lru-cache';
import type { DataServer } from '../fuse/data-server.js';
import { native, type PlanHandle } from '../native.js';
import { mayWrite, O_ACCMODE } from './modes.js';

export type Serving = 'none' | 'passthrough' | 'plain' | 'packed';

export interface OpenFile {
  readonly ino: number;
  readers: number;
  writers: number;
  serving: Serving;
  /** Backing file, open for reading and writing, or -1. */
  fd: number;
  /** Tier id that `fd` lies on. */
  tier: number;
  /** The kernel's number for `fd`, or 0. */
  backingId: number;
  plan: PlanHandle | null;
  /** The backing file was made since its directory was last synced. */
  fresh: boolean;
  /** The kernel may hold attributes that it need not ask for again. */
  attributesCached: boolean;
  /** Opens of one inode that have to wait do so one after another. */
  queue: Promise<unknown> | null;
  whenIdle: (() => void)[];
}

/** Each idle entry holds one descriptor; a process may have no more than 20,000 in all. */
const IDLE_LIMIT = 2048;
/** Change counts remembered before all are forgotten at once. */
const CHANGE_LIMIT = 200_000;

export class OpenFiles {
  private readonly open = new Map<number, OpenFile>();
  private readonly idle: LRUCache<number, OpenFile>;
  private readonly changes = new Map<number, number>();
  private changeClock = 1;
  /** Change count of every inode that is not in `changes`. */
  private changeEpoch = 1;
  private server: DataServer | null = null;

  constructor() {
    this.idle = new LRUCache<number, OpenFile>({
      max: IDLE_LIMIT,
      dispose: (file, _ino, reason) => {
        if (reason !== 'delete') this.closeBacking(file);
      },
    });
  }

  attach(server: DataServer): void {
    this.server = server;
  }

  /** The entry of an inode with open handles, or undefined. */
  peek(ino: number): OpenFile | undefined {
    return this.open.get(ino);
  }

  /** Counts a handle. Whoever fails to open afterwards calls `release` with the same flags. */
  acquire(ino: number, flags: number): OpenFile {
    const file = this.open.get(ino) ?? this.revive(ino);
    if (mayWrite(flags)) {
      file.writers++;
      this.noteChange(ino);
    } else {
      file.readers++;
    }
    return file;
  }

  private revive(ino: number): OpenFile {
    const file = this.idle.get(ino) ?? newOpenFile(ino);
    this.idle.delete(ino);
    file.attributesCached = true;
    this.open.set(ino, file);
    return file;
  }

  /** @returns the entry if this was its last handle; `becomeIdle` must follow in the same turn. */
  release(
    ino: number,
    handle: number,
  ): { file: OpenFile; lastWriter: boolean; last: boolean } | null {
    const file = this.open.get(ino);
    if (file === undefined) return null;
    const writer = mayWrite(handle);
    if (writer) file.writers--;
    else file.readers--;
    const last = file.readers + file.writers === 0;
    return { file, lastWriter: writer && file.writers === 0, last };
  }

  /** Stops serving; keeps the descriptor for a while; runs what waited. */
  becomeIdle(file: OpenFile): void {
    this.open.delete(file.ino);
    this.stopServing(file);
    if (file.fd >= 0) this.idle.set(file.ino, file);
    for (const callback of file.whenIdle.splice(0)) callback();
  }

  private stopServing(file: OpenFile): void {
    if (file.serving === 'packed' || file.serving === 'plain') this.server?.unserve(file.ino);
    file.plan?.close();
    file.plan = null;
    file.serving = 'none';
  }

  /** The bytes moved or are about to go: an idle descriptor is of no use any more. */
  forgetIdle(ino: number): void {
    const file = this.idle.get(ino);
    if (file === undefined) return;
    this.idle.delete(ino);
    this.closeBacking(file);
  }

  /** The idle entry's descriptor of that tier, or -1. Stays owned by the entry. */
  idleDescriptor(ino: number, tier: number): number {
    const file = this.idle.peek(ino);
    return file !== undefined && file.tier === tier ? file.fd : -1;
  }

  closeBacking(file: OpenFile): void {
    if (file.backingId !== 0) this.server?.backingClose(file.backingId);
    if (file.fd >= 0) native.close(file.fd);
    file.backingId = 0;
    file.fd = -1;
    file.tier = 0;
  }

  noteChange(ino: number): void {
    if (this.changes.size >= CHANGE_LIMIT) {
      this.changes.clear();
      this.changeEpoch = ++this.changeClock;
    }
    this.changes.set(ino, ++this.changeClock);
  }

  /** Equal numbers mean that no one opened the file for writing or changed it in between. */
  changeCount(ino: number): number {
    return this.changes.get(ino) ?? this.changeEpoch;
  }

  /** Inodes with open handles. */
  *inodes(): Iterable<number> {
    yield* this.open.keys();
  }

  handleCount(): number {
    let count = 0;
    for (const file of this.open.values()) count += file.readers + file.writers;
    return count;
  }

  /** Ends all serving; descriptors are closed. */
  close(): void {
    for (const file of this.open.values()) {
      this.stopServing(file);
      this.closeBacking(file);
    }
    this.open.clear();
    this.idle.forEach((file) => this.closeBacking(file));
    this.server = null;
  }
}

function newOpenFile(ino: number): OpenFile {
  return {
    ino,
    readers: 0,
    writers: 0,
    serving: 'none',
    fd: -1,
    tier: 0,
    backingId: 0,
    plan: null,
    fresh: false,
    attributesCached: true,
    queue: null,
    whenIdle: [],
  };
}

/** The number that the kernel gives back with RELEASE. */
export const handleFor = (flags: number): number => flags & O_ACCMODE;

/** Runs `work` after what is already waiting for this file. */
export function inTurn<T>(file: OpenFile, work: () => Promise<T>): Promise<T> {
  const before = file.queue ?? Promise.resolve();
  const mine = before.then(work, work);
  const settled = mine
    .catch(() => undefined)
    .then(() => {
      if (file.queue === settled) file.queue = null;
    });
  file.queue = settled;
  return mine;
}
