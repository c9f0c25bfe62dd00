/**
 * Copies the namespace to the tiers from time to time while the volume is in use: what was packed or renamed since the
 * last copy is what the loss of its disk would take. Packed files most of all, since only the namespace knows which chunks
 * they have: a copy is made once packing pauses and every ten minutes while it goes on, and an hour after the one before
 * where anything else changed. Of a large namespace less often, so that the media are not worn by it.
 */
import type { ContentStore } from '../content/types.js';
import { copyNamespace } from '../integrity/namespace-copy.js';
import type { Log } from '../observe/log.js';
import type { Store } from '../store/types.js';
import type { TierSet } from '../tiers/types.js';
import { beginGeneration } from './generation.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Written to each tier, on average: 10 GiB a day, and a sixteenth of what is packed. */
const BYTES_PER_MS = (10 * 2 ** 30) / (24 * HOUR_MS);
const BYTES_PER_PACKED = 1 / 16;
/** Files of fewer bytes can wait. Disks that packing wrote to need not be woken for it. */
const WORTH_A_COPY = 64 * 2 ** 20;

export interface NamespaceCopies {
  /** Resolves when no copy is being made any more. */
  stop(): Promise<void>;
}

export interface CopiesDeps {
  store: Store;
  tiers: TierSet;
  content: Pick<ContentStore, 'committedBytes'>;
  log: Log;
  times?: CopyTimes;
}

/** Milliseconds. */
export interface CopyTimes {
  /** Between two looks; packing that did nothing from one to the next has paused. */
  look: number;
  /** Between two copies at least: while files are packed, and where only something else changed. */
  whilePacking: number;
  afterChange: number;
}

const TIMES: CopyTimes = {
  look: MINUTE_MS,
  whilePacking: 10 * MINUTE_MS,
  afterChange: HOUR_MS,
};

/** Whatever happens to the clock. */
const now = (): number => performance.now();

export function keepNamespaceCopies(deps: CopiesDeps): NamespaceCopies {
  const { store, tiers, content, log, times = TIMES } = deps;
  /** As of the last copy, or the start. */
  let last = { groups: store.groups, packed: content.committedBytes(), bytes: 0, time: now() };
  /** As of the last look. */
  let packedBefore = last.packed;
  let copying = false;
  let running = Promise.resolve();

  async function copy(): Promise<void> {
    const before = store.groups;
    const packed = content.committedBytes();
    const results = await copyNamespace(store, tiers);
    for (const { tier, problem } of results) {
      if (problem !== null) log.debug({ tier, problem }, 'no new copy of the namespace on a tier');
    }
    await beginGeneration(store, tiers, log);
    // The generation is a group of its own; what else was written may not be in the copy.
    const groups = store.groups === before + 1 ? store.groups : NaN;
    const bytes = Math.max(...results.map((result) => result.bytes));
    last = { groups, packed, bytes, time: now() };
  }

  function isDue(): boolean {
    const elapsed = now() - last.time;
    const allPacked = content.committedBytes();
    const hasPaused = allPacked === packedBefore;
    packedBefore = allPacked;
    const packed = allPacked - last.packed;
    const wait = hasPaused ? times.look : times.whilePacking;
    const isTime = elapsed >= (packed >= WORTH_A_COPY ? wait : times.afterChange);
    const allowed = elapsed * BYTES_PER_MS + packed * BYTES_PER_PACKED;
    return store.groups !== last.groups && isTime && allowed >= last.bytes;
  }

  const look = (): void => {
    if (copying || tiers.readOnly || store.failed || !isDue()) return;
    copying = true;
    running = copy()
      .catch((error: unknown) => {
        last = { ...last, time: now() };
        log.warn({ err: error }, 'the namespace could not be copied');
      })
      .finally(() => {
        copying = false;
      });
  };
  const timer = setInterval(look, times.look);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      return running;
    },
  };
}
