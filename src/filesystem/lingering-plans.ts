/**
 * Plans of packed files that were closed just now. They hold their packs open for a moment, so that who reads one small
 * file after the other goes on in a pack where the last one ended, and the kernel reads ahead there.
 */
import type { PlanHandle } from '../native.js';

const MOST = 4;
/** After the last one; then their tiers can be unmounted. Milliseconds. */
const LINGER_MS = 1000;

export class LingeringPlans {
  private readonly plans: PlanHandle[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** Closes the plan later. */
  add(plan: PlanHandle): void {
    this.plans.push(plan);
    if (this.plans.length > MOST) this.plans.shift()?.close();
    if (this.timer === undefined) this.timer = setTimeout(() => this.close(), LINGER_MS).unref();
    else this.timer.refresh();
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const plan of this.plans.splice(0)) plan.close();
  }
}
