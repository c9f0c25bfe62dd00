/** Puts the queue and the planner together: what the daemon builds and everybody else calls. */
import type { MigrationDeps } from './deps.js';
import { createIntake, type Intake } from './intake.js';
import { createPlanner, type Planner } from './planner.js';
import { createQueue } from './queue.js';
import { createSharing } from './sharing.js';
import type { Migration } from './types.js';

export type { MigrationDeps } from './deps.js';
export { recoverJobs } from './recover.js';

export interface RunningMigration extends Migration {
  /** Packs what lies outside of the volume. */
  readonly intake: Pick<Intake, 'take' | 'packsOn'>;
  /** For tests: one look at all files now. */
  sweep(): Promise<void>;
}

/** Starts at once. `recoverJobs` must have run. */
export function createMigration(deps: MigrationDeps): RunningMigration {
  const queue = createQueue(deps);
  const sharing = createSharing(deps, queue);
  const planner: Planner = createPlanner(deps, queue, sharing);
  const intake = createIntake(deps, queue.unpaused);
  return {
    intake,
    submit: queue.submit,
    finished: queue.finished,
    hydrateNow: queue.hydrateNow,
    unpaused: queue.unpaused,
    untilUnshared: queue.untilUnshared,
    jobsOf: queue.jobsOf,
    status: queue.status,
    failures: queue.failures,
    pause: queue.pause,
    resume() {
      queue.resume();
      planner.nudge();
    },
    settingsChanged() {
      queue.settingsChanged();
      planner.nudge();
    },
    nudge: planner.nudge,
    sweep: planner.sweep,
    async close() {
      await Promise.all([planner.close(), sharing.close(), intake.close(), queue.close()]);
    },
  };
}
