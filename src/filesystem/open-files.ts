/**
 * Open files: per inode how many handles, and the one form in which it is being served.
 *
 * Lifecycle of an entry: 1. `acquire` counts a handle (before anything is awaited, so that migration sees
 * it); 2. opening fills `fd` (plain) or `plan` (packed) and sets `serving`; 3. `release` of the last handle
 * stops serving and runs what waited for that; 4. an idle entry keeps its descriptor for the next open
 * until it is pushed out or its bytes move.
 *
 * With passthrough a mapping belongs to the backing file: it outlives the handle, and its writes and its end
 * are not told to us. An entry that may have one is `passed` (and `written`, if it may write) until the kernel
 * says otherwise, and is not pushed out.
 *
 * The kernel refuses to mix passthrough with cached opens of one inode, so `serving` stays what the first
 * open made it until the last handle closes. The changes in between, packed or empty to plain when a writer
 * comes and packed to empty when it is cut, stay within cached serving.
 *
 * The handle given to the kernel is the access mode alone: nothing the kernel holds refers to memory that
 * a later daemon could not rebuild.
 */
import { LRUCache } from 'lru-cache';
import { descriptorLimit } from '../config/descriptor-limit.js';
import type { DataServer } from '../fuse/data-server.js';
import { native, type PlanHandle } from '../native.js';
import { LingeringPlans } from './lingering-plans.js';
import { mayRead, mayWrite, O_ACCMODE } from './modes.js';

export type Serving = 'none' | 'passthrough' | 'plain' | 'packed' | 'empty';

export interface OpenFile {
  readonly ino: number;
  readers: number;
  writers: number;
  serving: Serving;
  /** Backing file, open for reading and writing, or -1. */
  fd: number;
  /** `fd` can only be read: its tier could not be written to. */
  readOnly: boolean;
  /** Tier id that `fd` lies on. */
  tier: number;
  /** The kernel's number for `fd`, or 0. */
  backingId: number;
  plan: PlanHandle | null;
  /** Served by passthrough since it was last known that no mapping was left behind. */
  passed: boolean;
  /** The same for one that may write. */
  written: boolean;
  /** Opened for reading since its backing file was looked at. */
  read: boolean;
  /** The next reading leaves its time on the backing file, whatever the time there is now. */
  expectsReading: boolean;
  /** The backing file was made since its directory was last synced. */
  fresh: boolean;
  /** The kernel may hold attributes that it need not ask for again. */
  attributesCached: boolean;
  /** Its packed form is being made plain for a writer. */
  hydrating: boolean;
  /** A program has it open for writing though what it has can't be read: until it is cut to nothing, writing fails. */
  unwritable: boolean;
  /** Opens of one inode that have to wait do so one after another. */
  queue: Promise<unknown> | null;
  whenIdle: (() => void)[];
}

/** Each idle entry holds one descriptor, and about 2 KiB of the kernel's memory. */
const IDLE_LIMIT = 16_384;
/** Share of the descriptors that the process may have. */
const IDLE_SHARE = 0.5;
/** How often files that were pushed out while mapped are looked at, at most. */
const MAPPED_AGAIN_MS = 1000;
/** Change counts remembered before all are forgotten at once. */
const CHANGE_LIMIT = 200_000;

export class OpenFiles {
  private readonly open = new Map<number, OpenFile>();
  private readonly idle: LRUCache<number, OpenFile>;
  /** Pushed out of `idle` while mapped. */
  private readonly mapped = new Map<number, OpenFile>();
  private readonly closedPlans = new LingeringPlans();
  private readonly changes = new Map<number, number>();
  private changeClock = 1;
  /** Change count of every inode that is not in `changes`. */
  private changeEpoch = 1;
  private mappedAgain = 0;
  private server: DataServer | null = null;

  /** `lastUse` hears of a file that no one reads or writes any more, while its descriptor is still open. */
  constructor(private readonly lastUse: (file: OpenFile) => void) {
    this.idle = new LRUCache<number, OpenFile>({
      max: Math.min(IDLE_LIMIT, Math.floor(descriptorLimit() * IDLE_SHARE)),
      dispose: (file, _ino, reason) => {
        if (reason !== 'delete') this.pushOut(file);
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
    if (mayRead(flags)) file.read = true;
    if (mayWrite(flags)) {
      file.writers++;
      this.noteChange(ino);
    } else {
      file.readers++;
    }
    return file;
  }

  private revive(ino: number): OpenFile {
    const file = this.takeIdle(ino) ?? newOpenFile(ino);
    // Before the next handles make it impossible to tell.
    if (file.written) this.isMapped(file);
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
    const { serving } = file;
    if (serving !== 'none' && serving !== 'passthrough') this.server?.unserve(file.ino);
    if (file.plan !== null) this.closedPlans.add(file.plan);
    file.plan = null;
    file.serving = 'none';
    file.unwritable = false;
  }

  /** The bytes moved or are about to go: an idle descriptor is of no use any more. */
  forgetIdle(ino: number): void {
    const file = this.takeIdle(ino);
    if (file !== undefined) this.closeBacking(file);
  }

  private takeIdle(ino: number): OpenFile | undefined {
    const file = this.peekIdle(ino);
    this.idle.delete(ino);
    this.mapped.delete(ino);
    return file;
  }

  private peekIdle(ino: number): OpenFile | undefined {
    return this.idle.peek(ino) ?? (this.mapped.size > 0 ? this.mapped.get(ino) : undefined);
  }

  private pushOut(file: OpenFile): void {
    this.letGoOfMapped();
    if (this.isMapped(file)) this.mapped.set(file.ino, file);
    else this.closeIdle(file);
  }

  private closeIdle(file: OpenFile): void {
    if (file.read) this.lastUse(file);
    this.closeBacking(file);
  }

  /** Whether it may have been read since the last time that this was asked. */
  takeRead(ino: number): boolean {
    const file = this.open.get(ino) ?? this.peekIdle(ino);
    if (file?.read !== true) return false;
    file.read = file.readers + file.writers > 0;
    file.expectsReading = false;
    return true;
  }

  private letGoOfMapped(): void {
    if (this.mapped.size === 0 || Date.now() < this.mappedAgain) return;
    this.mappedAgain = Date.now() + MAPPED_AGAIN_MS;
    for (const file of this.mapped.values()) {
      if (this.isMapped(file)) continue;
      this.mapped.delete(file.ino);
      this.closeIdle(file);
    }
  }

  /** Whether a mapping, or a handle, holds a file that has an entry with a descriptor. */
  private isMapped(file: OpenFile): boolean {
    if (!file.passed || native.hasOthers(file.fd)) return file.passed;
    file.passed = false;
    if (file.written) this.lastUse(file);
    file.written = false;
    return false;
  }

  /** Nothing is open, but a program has it mapped: its bytes must stay where they are. */
  heldByMapping(ino: number): boolean {
    const file = this.peekIdle(ino);
    return file !== undefined && this.isMapped(file);
  }

  /** No writer has it open, but a mapping that one left may still write. */
  writtenByMapping(ino: number): boolean {
    const file = this.open.get(ino) ?? this.peekIdle(ino);
    return file !== undefined && file.written && this.isMapped(file);
  }

  /** Whether what is known here about mappings is all there is to know. */
  knows(ino: number): boolean {
    return this.open.has(ino) || this.peekIdle(ino) !== undefined;
  }

  /** The descriptor of the backing file on that tier, or -1. Stays owned by the entry. */
  descriptorOn(tier: number, ino: number): number {
    const file = this.open.get(ino) ?? this.peekIdle(ino);
    return file !== undefined && file.tier === tier ? file.fd : -1;
  }

  closeBacking(file: OpenFile): void {
    if (file.backingId !== 0) this.server?.backingClose(file.backingId);
    if (file.fd >= 0) native.close(file.fd);
    file.backingId = 0;
    file.fd = -1;
    file.readOnly = false;
    file.tier = 0;
    file.passed = false;
    file.written = false;
    file.read = false;
    file.expectsReading = false;
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
    this.idle.forEach((file) => this.closeIdle(file));
    this.mapped.forEach((file) => this.closeIdle(file));
    this.closedPlans.close();
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
    readOnly: false,
    tier: 0,
    backingId: 0,
    plan: null,
    passed: false,
    written: false,
    read: false,
    expectsReading: false,
    fresh: false,
    attributesCached: true,
    hydrating: false,
    unwritable: false,
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
