/**
 * Reads back from the medium what was packed, part by part in the order of the file, while the parts behind are
 * still being packed: reading, checking and writing then share processors and disk.
 */
import { nameAt } from '../content/records.js';
import type { ContentStore, Recipe } from '../content/types.js';
import type { PlanCheck, PlanHandle } from '../native.js';
import { native } from '../native.js';
import { controlled, type Progress } from './move.js';

export interface ReadBack {
  /** Waits for the part before: what is not read back yet does not pile up. @throws ECANCELED and others */
  add(part: Recipe | null): Promise<void>;
  /** When all parts are read: their digest in hex, and the chunks that can't be had, by name. */
  end(): Promise<{ digest: string; bad: Buffer[] }>;
  /** Resolves when nothing is read any more. */
  stop(): Promise<void>;
}

export function createReadBack(content: ContentStore, progress: Progress): ReadBack {
  const bad: Buffer[] = [];
  let last: PlanCheck | undefined;
  let running = Promise.resolve();
  let stopped = false;

  async function check(part: Recipe): Promise<void> {
    const plan = await content.planForRecipe(part);
    if (stopped) return;
    last = await checkPlan(progress, content.openPlan(plan), last);
    for (const index of last.bad) bad.push(nameAt(part, index));
  }

  return {
    async add(part) {
      if (!part) return;
      await running;
      running = check(part);
      // Whoever adds the next part, or ends, gets the error.
      running.catch(() => {});
    },
    async end() {
      await running;
      return { digest: last?.digest.toString('hex') ?? '', bad };
    },
    async stop() {
      stopped = true;
      progress.control?.cancel();
      await running.catch(() => {});
    },
  };
}

/** Decodes a whole plan, read from the medium, and closes it; `before` is what was found in the parts before it. */
export async function checkPlan(
  progress: Progress,
  plan: PlanHandle,
  before?: PlanCheck,
): Promise<PlanCheck> {
  try {
    return await controlled(progress, (control) => native.checkPlan(plan, control, before));
  } finally {
    plan.close();
  }
}
