/**
 * The planner: a sweep over all inodes every so often that turns facts into wishes and wishes into
 * jobs. It gives way to the event loop after each slice; what it knows of a file may be old by the
 * time the job runs, and the job looks again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fillPercent } from '../policy/fill.js';
import type { TierFill, Wish } from '../policy/types.js';
import { createSweep } from '../policy/wishes.js';
import type { Tier } from '../tiers/types.js';
import type { MigrationDeps } from './deps.js';
import { factsOf } from './facts.js';
import type { Queue } from './queue.js';
import type { Sharing } from './sharing.js';

/** Inodes per slice: some milliseconds. */
const SLICE = 1000;
/** Wishes beyond this wait for the next sweep. */
const MAX_QUEUED = 2000;
const SHORTEST_MS = 200;
const LONGEST_MS = 60_000;
/** A nudge waits this long for others, so that many writes are one sweep. */
const NUDGE_MS = 250;
const RECLAIM_EVERY_MS = 10_000;
const REFRESH_EVERY_MS = 3_000;
/**
 * Fill levels are looked at so often; a tier that stays above high is swept again after the longer
 * time.
 */
const WATCH_MS = 1_000;
const AGAIN_MS = 5_000;

export interface Planner {
  /** Sweeps soon. */
  nudge(): void;
  /** One sweep now; for tests and for `close` to wait on. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds between sweeps: a tenth of cold-after, within bounds. */
export function sweepInterval(coldAfterMs: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, coldAfterMs / 10));
}

export function createPlanner(deps: MigrationDeps, queue: Queue, sharing: Sharing): Planner {
  const { namespace, tiers, rules, settings, content, log } = deps;
  const interval = () => sweepInterval(settings.coldAfterMs);
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let due = Infinity;
  let current: Promise<void> | undefined;
  let reclaiming: Promise<unknown> | undefined;
  const last = { refresh: Date.now(), sweep: Date.now() };
  let looking: Promise<void> | undefined;
  const watch = setInterval(watchTiers, WATCH_MS).unref();
  // Not with the sweeps: while nobody writes they are a minute apart, and the first one is a minute after the start.
  const giveBack = setInterval(reclaim, RECLAIM_EVERY_MS).unref();
  schedule(interval());

  /** Also while nobody writes and sweeps are a minute apart: a disk may fail at any time. */
  function watchTiers(): void {
    looking ??= upkeep()
      .catch((error: unknown) => log.error({ err: error }, 'looking at the tiers failed'))
      .finally(() => (looking = undefined));
    if (Date.now() - last.sweep < AGAIN_MS) return;
    if (tiers.tiers.map(fillOf).some((tier) => fillPercent(tier) > tier.high)) schedule(0);
  }

  function schedule(delayMs: number): void {
    if (closed || performance.now() + delayMs >= due) return;
    clearTimeout(timer);
    due = performance.now() + delayMs;
    timer = setTimeout(tick, delayMs);
    timer.unref();
  }

  function tick(): void {
    due = Infinity;
    void upkeep()
      .then(sweep)
      .catch((error: unknown) =>
        log.error({ err: error }, 'a sweep failed; the next one tries again'),
      )
      .finally(() => schedule(interval()));
  }

  async function upkeep(): Promise<void> {
    const now = Date.now();
    if (now - last.refresh >= REFRESH_EVERY_MS) {
      last.refresh = now;
      await tiers.refresh();
    }
  }

  function reclaim(): void {
    if (reclaiming || isPaused()) return;
    reclaiming = content
      .reclaim()
      .then(() => content.keepParity())
      .catch((error: unknown) => log.error({ err: error }, 'giving space back failed'))
      .finally(() => (reclaiming = undefined));
  }

  function sweep(): Promise<void> {
    return (current ??= sweepOnce().finally(() => (current = undefined)));
  }

  async function sweepOnce(): Promise<void> {
    last.sweep = Date.now();
    if (isPaused()) return;
    tiers.lookAtFull();
    const plan = createSweep({ tiers: tiers.tiers.map(fillOf), rules, settings });
    const candidates = sharing.collect();
    const now = Date.now();
    let after = 0;
    while (!closed) {
      const { next, facts } = readSlice(after, now);
      for (const file of facts) {
        const wish = plan.offer(file);
        if (wish === null) candidates.offer(file);
        else act(wish);
      }
      if (next === undefined) break;
      after = next;
      await nextTurn();
    }
    if (closed) return;
    for (const wish of plan.finish()) act(wish);
    candidates.finish();
  }

  function isPaused(): boolean {
    return queue.status().state === 'paused';
  }

  function readSlice(after: number, now: number) {
    const facts = [];
    let seen = 0;
    for (const inode of namespace.inodes(after)) {
      after = inode.ino;
      const file = queue.isHeld(inode.ino) ? undefined : factsOf(deps, inode, now);
      if (file) facts.push(file);
      if (++seen === SLICE) return { next: after, facts };
    }
    return { next: undefined, facts };
  }

  function act(wish: Wish): void {
    if (queue.status().queued >= MAX_QUEUED) return;
    const pack = wish.kind === 'demote' && wish.pack;
    queue.submit(wish.kind, wish.ino, wish.tier, { pack, because: wish.because, urgent: false });
  }

  function fillOf(tier: Tier): TierFill {
    const { used, free } = tiers.usage(tier);
    const writable = tier.state === 'ok';
    const marks = { ...settings.watermarks, ...settings.tierWatermarks[tier.name] };
    return { name: tier.name, used, free, arriving: queue.arriving(tier.name), writable, ...marks };
  }

  return {
    nudge: () => schedule(NUDGE_MS),
    sweep,
    async close() {
      closed = true;
      clearTimeout(timer);
      clearInterval(watch);
      clearInterval(giveBack);
      // A reclaim goes on until the content store closes, which ends it.
      await current?.catch(() => {});
      await looking;
    },
  };
}
