/**
 * The queue: takes requests and wishes, runs a few at a time, urgent ones first, one per file.
 * Lifecycle of a job: queued -> running (-> waiting-for-close -> running) -> done, failed or
 * cancelled.
 */
import { errnoName } from '../config/errors.js';
import { createBackoff } from './backoff.js';
import { type MigrationDeps, MoveCancelled, MoveError } from './deps.js';
import type { Leftovers } from './group.js';
import { hydrationTiers, nowhere } from './hydration.js';
import {
  createEntry,
  type Entry,
  failureText,
  hasEnded,
  isCancel,
  isShare,
  makesPacked,
  movesWhile,
  wantsSame,
} from './job.js';
import { openJournal } from './journal.js';
import { type Move, type MoveContext, nameOf, type Outcome } from './move.js';
import { makePacked } from './packed.js';
import { makePlain } from './plain.js';
import { createRate } from './rate.js';
import { plainBytes } from './room.js';
import { shareBlocks } from './share.js';
import { createSlots } from './slots.js';
import { groupLength, moveTogether } from './together.js';
import type { Job, JobKind, Migration, MigrationStatus, MoveOptions } from './types.js';

const FAILURES_SHOWN = 20;

/** How often a move starts over because its file was written meanwhile. */
const MAX_ATTEMPTS = 3;

/** For the planner beside what everybody may use. */
export interface Queue extends Omit<Migration, 'nudge' | 'intake'> {
  /** True for files that a background wish leaves alone: failed lately, or queued or under way. */
  isHeld(ino: number): boolean;
  /** Bytes that queued and running jobs will add to a tier. */
  arriving(tier: string): number;
}

export function createQueue(deps: MigrationDeps): Queue {
  const { namespace, activity, store, tiers, log, settings } = deps;
  const backoff = createBackoff();
  const slots = createSlots(() => queueMicrotask(pump));
  const entries = new WeakMap<Job, Entry>();
  const queued = { urgent: [] as Entry[], background: [] as Entry[] };
  /** Jobs that have not ended, by file. */
  const byIno = new Map<number, Entry[]>();
  /** Those that share, few at a time: each new job looks through them. */
  const shares = new Set<Entry>();
  /** The one job of a file that runs. */
  const active = new Map<number, Entry>();
  const rate = createRate(settings);
  /** Those of groups. */
  const grouped = new Set<Entry>();
  let closed = false;
  let nextId = 1;
  let soon: NodeJS.Immediate | undefined;
  const counts = { completed: 0, failed: 0, bytesMoved: 0, bytesShared: 0 };
  const context: MoveContext = {
    deps,
    journal: openJournal(store),
    leaveSlot: slots.leave,
    takeSlot: slots.take,
  };

  function enlist(kind: JobKind, ino: number, tier: string, options: MoveOptions): Entry {
    const size = namespace.get(ino)?.size ?? 0;
    const entry = createEntry(nextId++, kind, { ino, size }, tier, options);
    entries.set(entry.job, entry);
    const others = byIno.get(ino);
    if (others) others.push(entry);
    else byIno.set(ino, [entry]);
    if (isShare(entry.move)) shares.add(entry);
    return entry;
  }

  function submit(kind: JobKind, ino: number, tier: string, options: MoveOptions): Job {
    const others = (byIno.get(ino) ?? []).filter(({ move }) => !move.cancelled);
    const same = others.find(({ move }) => wantsSame(move, { kind, tier, options }));
    if (same && !same.move.switched) {
      if (options.urgent) hurry(same);
      return same.job;
    }
    // The newest word on a file counts, but a background wish never undoes what a person asked for.
    for (const other of others) {
      // Nor is there a word on what a program waits for.
      const mayGo = (options.urgent || !other.move.urgent) && !other.move.allowOpen;
      if (mayGo) cancel(other, 'a newer request replaced it');
    }
    for (const other of sharingWith(ino)) cancel(other, 'the file that it shares with is to move');
    const entry = enlist(kind, ino, tier, options);
    if (closed) end(entry, 'cancelled', new MoveCancelled('the volume is being unmounted'));
    else (options.urgent ? queued.urgent : queued.background).push(entry);
    pumpSoon();
    return entry.job;
  }

  /** A job that has this file open looks to a move like a program that uses it. */
  function sharingWith(ino: number): Entry[] {
    return [...shares].filter(({ move }) => move.options.share?.source === ino);
  }

  function hurry(entry: Entry): void {
    entry.move.urgent = true;
    const index = queued.background.indexOf(entry);
    if (index < 0) return;
    queued.background.splice(index, 1);
    queued.urgent.push(entry);
  }

  /** Moves that are asked for one after the other may make a group. */
  function pumpSoon(): void {
    soon ??= setImmediate(() => {
      soon = undefined;
      pump();
    });
  }

  function pump(): void {
    while (!rate.paused && !closed && slots.free) {
      const entries = takeNext(queued.urgent) ?? takeNext(queued.background);
      if (!entries) return;
      const [first] = entries;
      void slots.take(first.move, entries.length > 1);
      void (entries.length > 1 ? runTogether(entries) : run(first));
    }
  }

  /** One job, or several that make a group. */
  function takeNext(list: Entry[]): Entry[] | undefined {
    const mayStart = ({ move }: Entry): boolean => !active.has(move.ino) && !mustWait(move);
    const index = list.findIndex(mayStart);
    if (index < 0) return undefined;
    return list.splice(index, Math.max(1, groupLength(movesWhile(list, index, mayStart))));
  }

  /**
   * Sharing is not urgent: moves always find a slot beside it. A move of the file that others share with waits for
   * the step under way, which still has it open.
   */
  function mustWait(wanted: Move): boolean {
    const sharing = [...shares].filter((entry) => active.get(entry.move.ino) === entry);
    if (isShare(wanted)) return sharing.length > 0;
    return sharing.some(({ move }) => move.options.share?.source === wanted.ino);
  }

  /** Runs an entry to its end; never rejects. */
  async function run(entry: Entry): Promise<void> {
    const { move } = entry;
    active.set(move.ino, entry);
    move.state = 'running';
    try {
      await carryOut(move);
      end(entry, 'done');
    } catch (error) {
      if (isCancel(error, move)) end(entry, 'cancelled', error as Error);
      else fail(entry, error);
    } finally {
      active.delete(move.ino);
      slots.leave(move);
      pump();
    }
  }

  /** What the group leaves undone goes the usual way. */
  async function runTogether(entries: Entry[]): Promise<void> {
    const moves = entries.map(({ move }) => move);
    for (const entry of entries) {
      active.set(entry.move.ino, entry);
      grouped.add(entry);
      entry.move.state = 'running';
    }
    let failure: unknown;
    let left: Leftovers = new Map();
    try {
      left = await moveTogether(context, moves);
    } catch (error) {
      failure = error;
      log.debug({ err: error, files: moves.length }, 'moving together failed');
    }
    slots.leave(moves[0]);
    for (const entry of entries) {
      grouped.delete(entry);
      if (!entry.move.switched) void run(entry);
      else settle(entry, failure ?? left.get(entry.move));
    }
    pump();
  }

  /** After the switch. */
  function settle(entry: Entry, failure: unknown): void {
    if (failure) fail(entry, failure);
    else end(entry, 'done');
    active.delete(entry.move.ino);
  }

  async function carryOut(move: Move): Promise<void> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      await slots.take(move);
      if ((await attemptMove(move)) === 'done') return;
    }
    throw new MoveError('EBUSY', 'it is written again and again; try when it is quiet');
  }

  /** An error that comes of the file being written meanwhile is a reason to start over. */
  async function attemptMove(move: Move): Promise<Outcome> {
    const before = activity.changeCount(move.ino);
    try {
      if (isShare(move)) return await shareBlocks(context, move);
      return makesPacked(move) ? await makePacked(context, move) : await makePlain(context, move);
    } catch (error) {
      const changed = activity.changeCount(move.ino) !== before;
      if (move.switched || !changed || isCancel(error, move)) throw error;
      return 'changed';
    }
  }

  function fail(entry: Entry, error: unknown): void {
    const { move } = entry;
    const { ino, kind, tier } = move;
    const text = failureText(move, nameOf(context, ino), error);
    const target = tiers.byName(tier);
    // A move that found too little room before it wrote says nothing about what a smaller one would find.
    const ranFull = errnoName(error) === 'ENOSPC' && !(error instanceof MoveError);
    if (ranFull && target) tiers.noteFull(target);
    backoff.failed({ ino, kind, tier, error: text, time: new Date().toISOString() });
    log.warn({ err: error, ino, tier }, text);
    end(entry, 'failed', new MoveError(errnoName(error) ?? 'EIO', text, { cause: error }));
  }

  function end(entry: Entry, state: 'done' | 'failed' | 'cancelled', error?: Error): void {
    const { move } = entry;
    move.state = state;
    if (state === 'failed') counts.failed++;
    if (state === 'done') {
      counts.completed++;
      counts.bytesMoved += move.switched ? (namespace.get(move.ino)?.size ?? 0) : 0;
      move.done = move.total;
      backoff.succeeded(move.ino);
      log.info({ ino: move.ino, tier: move.tier, because: move.options.because }, move.kind);
    }
    counts.bytesShared += move.shared;
    move.error = error?.message ?? null;
    const others = (byIno.get(move.ino) ?? []).filter((other) => other !== entry);
    if (others.length > 0) byIno.set(move.ino, others);
    else byIno.delete(move.ino);
    shares.delete(entry);
    if (error) entry.reject(error);
    else entry.resolve();
  }

  function cancel(entry: Entry, why: string): void {
    const { move } = entry;
    if (move.switched || hasEnded(move)) return;
    move.cancelled = true;
    for (const list of [queued.urgent, queued.background]) {
      const index = list.indexOf(entry);
      if (index < 0) continue;
      list.splice(index, 1);
      end(entry, 'cancelled', new MoveCancelled(why));
    }
    move.control?.cancel();
    move.wake?.();
    slots.excuse(move);
  }

  async function hydrate(ino: number): Promise<void> {
    while (needsHydration(ino)) {
      const other = active.get(ino);
      if (other) await makeWay(other);
      else await hydrateSomewhere(ino);
    }
  }

  function untilUnshared(ino: number): Promise<void> | undefined {
    const entry = active.get(ino);
    if (!entry || !isShare(entry.move)) return undefined;
    cancel(entry, 'a program opens the file');
    return entry.ended.catch(() => {});
  }

  /** Also true while the switch of a running move is not durable yet. */
  function needsHydration(ino: number): boolean {
    const inode = namespace.get(ino);
    if (!inode) throw new MoveError('ENOENT', 'the file was deleted');
    if (active.get(ino)?.move.switched) return true;
    return inode.plainTier === 0 && inode.packedTier !== 0;
  }

  /** A move that makes the file plain is what is wanted, only sooner; another one stops. */
  async function makeWay(other: Entry): Promise<void> {
    const { move } = other;
    if (makesPacked(move)) cancel(other, 'a program writes to the file');
    else {
      move.allowOpen = true;
      if (grouped.has(other)) move.control?.cancel();
      slots.excuse(move);
      move.wake?.();
    }
    await other.ended.catch(() => {});
    // The job leaves `active` in the turn after it ended.
    await Promise.resolve();
  }

  async function hydrateSomewhere(ino: number): Promise<void> {
    let refused: unknown;
    tiers.lookAtFull();
    for (const tier of hydrationTiers(deps, ino)) {
      const options = { pack: false, because: 'a program writes to it', urgent: true };
      const entry = enlist('promote', ino, tier.name, options);
      entry.move.allowOpen = true;
      await run(entry);
      try {
        return await entry.ended;
      } catch (error) {
        const code = errnoName(error);
        if (code !== 'ENOSPC' && code !== 'EROFS') throw error;
        // Where both happen, room is what somebody can make.
        if (code === 'ENOSPC') refused = error;
        else refused ??= error;
      }
    }
    throw refused ?? nowhere(deps);
  }

  function status(): MigrationStatus {
    const running = [...active.values()].map(({ job }) => job);
    const waiting = queued.urgent.length + queued.background.length;
    return { state: rate.paused ? 'paused' : 'running', queued: waiting, running, ...counts };
  }

  async function close(): Promise<void> {
    closed = true;
    rate.lift();
    const all = [...byIno.values()].flat();
    for (const entry of all) cancel(entry, 'the volume is being unmounted');
    await Promise.allSettled(all.map(({ ended }) => ended));
  }

  return {
    submit,
    finished: (job) => entries.get(job)?.ended ?? Promise.resolve(),
    hydrateNow: (ino) => rate.foreground(() => hydrate(ino)),
    unpaused: rate.unpaused,
    untilUnshared,
    jobsOf: (ino) => (byIno.get(ino) ?? []).map(({ job }) => job),
    status,
    failures: () =>
      [...backoff.failures()].filter(({ ino }) => namespace.get(ino)).slice(0, FAILURES_SHOWN),
    pause: () => rate.pause(true),
    resume() {
      rate.pause(false);
      pump();
    },
    settingsChanged() {
      rate.settingsChanged();
      pump();
    },
    close,
    isHeld: (ino) => byIno.has(ino) || backoff.isHeld(ino),
    arriving(tier) {
      let sum = 0;
      for (const list of byIno.values()) {
        for (const { move } of list) {
          if (move.tier !== tier || move.switched || isShare(move)) continue;
          const inode = namespace.get(move.ino);
          if (inode) sum += plainBytes(deps, inode);
        }
      }
      return sum;
    },
  };
}
