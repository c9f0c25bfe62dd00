/**
 * The moves that people and programs asked for and that wait for their turn: the queue tells only of those that run.
 * What it wants by itself `explain` knows from the rules.
 */
import type { Job, Migration } from '../migration/types.js';

export interface QueuedJobs {
  /** The last one that was asked for, where it has not begun. */
  queuedJob(ino: number): Job | undefined;
}

/** Everybody who asks for moves has to ask through what this returns. */
export function rememberQueued<Queue extends Migration>(migration: Queue): Queue & QueuedJobs {
  const jobs = new Map<number, Job>();
  return {
    ...migration,
    submit(...request) {
      const job = migration.submit(...request);
      const forget = () => {
        if (jobs.get(job.ino) === job) jobs.delete(job.ino);
      };
      jobs.set(job.ino, job);
      migration.finished(job).then(forget, forget);
      return job;
    },
    queuedJob(ino) {
      const job = jobs.get(ino);
      return job?.state === 'queued' ? job : undefined;
    },
  };
}
