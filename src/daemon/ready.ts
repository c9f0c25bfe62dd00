/**
 * What a starting daemon tells the process that waits for it, in JSON lines on descriptor 3: any number of
 * `note`, each for people to read, then one that says how the start went.
 */
import type { ExitCode } from '../config/errors.js';

export const READY_FD = 3;

export type StartResult = Started | NotStarted;

export interface Started {
  ok: true;
  pid: number;
  /** Absolute, without symbolic links. */
  mountpoint: string;
  warnings: readonly string[];
}

export interface NotStarted {
  ok: false;
  message: string;
  exitCode: ExitCode;
  /** For `--debug`. */
  stack?: string;
}

export type ReadyMessage = StartResult | { note: string };

/** The hidden verb that the child runs. */
export const SERVE_VERB = '__serve';
