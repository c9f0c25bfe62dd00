/** What has to be undone, gathered while things are set up and run in reverse, exactly once. */
import { errorField, type Log } from '../observe/log.js';

export interface Teardown {
  add(what: string, undo: () => void | Promise<void>): void;
  /** Runs everything in reverse, also what follows a failure. Later calls get the same result. */
  run(): Promise<TeardownReport>;
}

export interface TeardownReport {
  /** The steps that failed. */
  failed: string[];
}

export function createTeardown(log: Log): Teardown {
  const steps: { what: string; undo: () => void | Promise<void> }[] = [];
  let running: Promise<TeardownReport> | null = null;

  async function undoAll(): Promise<TeardownReport> {
    const failed: string[] = [];
    for (const { what, undo } of steps.reverse()) {
      try {
        log.debug({ step: what }, 'stopping');
        await undo();
      } catch (error) {
        failed.push(what);
        log.error({ step: what, ...errorField(error) }, 'a step of stopping failed');
      }
    }
    return { failed };
  }

  return {
    add: (what, undo) => steps.push({ what, undo }),
    run: () => (running ??= undoAll()),
  };
}
