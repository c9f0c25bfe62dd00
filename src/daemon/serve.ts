/**
 * The process of a daemon: signals, logs, and the word to whoever waits that it serves or why not.
 *
 * In the background it is a child of `mount` in a session of its own, with a pipe on descriptor 3 that
 * takes JSON lines; in the foreground it is the process that was started.
 */
import { closeSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { errorField, openFileLog, openForegroundLog, type Log } from '../observe/log.js';
import type { Daemon } from './daemon.js';
import type { MountRequest } from './mount-request.js';
import { planMount, type MountPlan } from './preflight.js';
import { READY_FD, type ReadyMessage } from './ready.js';
import { WaitEnded } from '../tiers/waiting.js';

/** Serves until the mount or a signal ends it. @returns the exit code. @throws CoralError where it can't start */
export async function serveForeground(
  request: MountRequest,
  say: (message: string) => void,
): Promise<ExitCode> {
  const plan = await planMount(request);
  const log = openForegroundLog(plan.settings.log, (text) => process.stderr.write(text));
  const daemon = await begin(plan, log, say);
  if (daemon === null) return ExitCode.done;
  say(`${plan.directory} serves at ${plan.mountpoint}. Ctrl-C unmounts.`);
  return daemon.ended;
}

/** The detached child. Tells the parent how the start went; never throws. */
export async function serveBackground(request: MountRequest): Promise<ExitCode> {
  try {
    const plan = await planMount(request);
    const log = openFileLog(join(plan.directory, 'log', 'daemon.log'), plan.settings.log);
    process.chdir('/');
    const daemon = await begin(plan, log, (note) => tellParent({ note }));
    tellParent(daemon === null ? STOPPED : started(plan));
    return (await daemon?.ended) ?? ExitCode.done;
  } catch (error) {
    const exitCode = error instanceof CoralError ? error.exitCode : ExitCode.failed;
    const { message, stack } = error as Error;
    tellParent({ ok: false, message, exitCode, stack });
    return exitCode;
  }
}

function started({ mountpoint, warnings }: MountPlan): ReadyMessage {
  return { ok: true, pid: process.pid, mountpoint, warnings };
}

const STOPPED: ReadyMessage = {
  ok: false,
  message: 'it was told to stop before it served',
  exitCode: ExitCode.failed,
};

/** @returns null where a signal came while tiers were waited for. */
async function begin(
  plan: MountPlan,
  log: Log,
  say: (message: string) => void,
): Promise<Daemon | null> {
  process.umask(0o077);
  for (const warning of plan.warnings) log.warn(warning);
  const early = new AbortController();
  let daemon: Daemon | null = null;
  const stop = (signal: string) => {
    if (daemon === null) early.abort(signal);
    else daemon.stop(signal);
  };
  keepAlive(log, stop);
  try {
    // Loaded only now: what the checks refuse is said sooner.
    const { startDaemon } = await import('./daemon.js');
    daemon = await startDaemon(plan, log, { say, signal: early.signal });
  } catch (error) {
    if (error instanceof WaitEnded) return null;
    log.error(errorField(error), 'the volume could not be mounted');
    throw error;
  }
  if (early.signal.aborted) daemon.stop(String(early.signal.reason));
  return daemon;
}

/** Signals end it in order; an error that nobody caught is logged, for others still read and write. */
function keepAlive(log: Log, stop: (signal: string) => void): void {
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => log.debug('SIGHUP is ignored'));
  process.on('uncaughtException', (error) =>
    log.error(errorField(error), 'an error was not caught'),
  );
  process.on('unhandledRejection', (error) =>
    log.error(errorField(error), 'an error was not caught'),
  );
}

/** The parent may be gone: then nobody needs to know. */
function tellParent(message: ReadyMessage): void {
  try {
    writeSync(READY_FD, `${JSON.stringify(message)}\n`);
    if (!('note' in message)) closeSync(READY_FD);
  } catch (error) {
    process.stderr.write(`the starting process is gone: ${reasonOf(error)}\n`);
  }
}
