/**
 * Waiting for tiers at a mount: at boot the disk of a tier may come later than the volume is asked for. A
 * tier is there when its marker is; anything else that is wrong with it, waiting does not mend.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openProblem } from './tier-set.js';
import type { TierConfig } from './types.js';

const LOOK_EVERY_MS = 250;

/** The wait was ended from outside. */
export class WaitEnded extends Error {
  override readonly name = 'WaitEnded';
}

/**
 * Resolves when no tier lacks its disk, or after `limitMs`; what is wrong then is for whoever opens the
 * tiers. `onWait` gets one line for each tier that lacks it, once. @throws WaitEnded
 */
export async function waitForTiers(
  tiers: readonly TierConfig[],
  volumeId: string,
  limitMs: number,
  signal: AbortSignal,
  onWait: (problems: string[]) => void,
): Promise<void> {
  const until = performance.now() + limitMs;
  let told = false;
  for (let left = limitMs; left > 0; left = until - performance.now()) {
    const problems = await lostTiers(tiers, volumeId);
    if (problems.length === 0) return;
    if (!told) onWait(problems);
    told = true;
    await pause(Math.min(left, LOOK_EVERY_MS), signal);
  }
}

async function lostTiers(tiers: readonly TierConfig[], volumeId: string): Promise<string[]> {
  const problems = await Promise.all(tiers.map((tier) => openProblem(tier, volumeId)));
  return problems.flatMap((problem) => (problem?.lost === true ? problem.text : []));
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw new WaitEnded('told to stop while tiers were waited for');
  }
}
