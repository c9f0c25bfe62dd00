/** What a starting daemon tells the process that waits for it: one JSON line on descriptor 3. */
import type { ExitCode } from '../config/errors.js';

export const READY_FD = 3;

export type ReadyMessage =
  { ok: true; pid: number } | { ok: false; message: string; exitCode: ExitCode };

/** The hidden verb that the child runs. */
export const SERVE_VERB = '__serve';
