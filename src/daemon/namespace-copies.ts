/**
 * Copies the namespace to the tiers from time to time while the volume is in use: what was packed or renamed since the
 * last copy is what the loss of its disk would take. A copy is made where something changed, an hour after the one before
 * at the earliest, and less often of a large namespace, so that the media are not worn by it.
 */
import { copyNamespace } from '../integrity/namespace-copy.js';
import type { Log } from '../observe/log.js';
import type { Store } from '../store/types.js';
import type { TierSet } from '../tiers/types.js';
import { beginGeneration } from './generation.js';

const HOUR_MS = 3_600_000;
/** Written to each tier, on average: 10 GiB a day. */
const BYTES_PER_MS = (10 * 2 ** 30) / (24 * HOUR_MS);

export interface NamespaceCopies {
  /** Resolves when no copy is being made any more. */
  stop(): Promise<void>;
}

export interface CopiesDeps {
  store: Store;
  tiers: TierSet;
  log: Log;
  /** Between two looks, and between two copies at least. Milliseconds, an hour by default. */
  intervalMs?: number;
}

export function keepNamespaceCopies(deps: CopiesDeps): NamespaceCopies {
  const { store, tiers, log, intervalMs = HOUR_MS } = deps;
  let copied = store.groups;
  let notBefore = 0;
  let running = Promise.resolve();

  async function copy(): Promise<void> {
    const before = store.groups;
    const results = await copyNamespace(store, tiers);
    const bytes = Math.max(...results.map((result) => result.bytes));
    for (const { tier, problem } of results) {
      if (problem !== null) log.debug({ tier, problem }, 'no new copy of the namespace on a tier');
    }
    await beginGeneration(store, tiers, log);
    // The generation is a group of its own; what else was written may not be in the copy.
    copied = store.groups === before + 1 ? store.groups : NaN;
    notBefore = Date.now() + bytes / BYTES_PER_MS;
  }

  const look = (): void => {
    if (tiers.readOnly || store.failed || store.groups === copied || Date.now() < notBefore) return;
    notBefore = Infinity; // until it has ended
    running = copy().catch((error: unknown) => {
      notBefore = 0;
      log.warn({ err: error }, 'the namespace could not be copied');
    });
  };
  const timer = setInterval(look, intervalMs);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      return running;
    },
  };
}
