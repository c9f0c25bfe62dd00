/**
 * The process of a daemon: signals, logs, and the word to whoever waits that it serves or why not.
 *
 * In the background it is a child of `mount` in a session of its own, with a pipe on descriptor 3 that
 * takes one JSON line; in the foreground it is the process that was started.
 */
import { closeSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { errorField, openFileLog, openForegroundLog, type Log } from '../observe/log.js';
import { startDaemon, type Daemon } from './daemon.js';
import { planMount, type MountPlan, type MountRequest } from './preflight.js';
import { READY_FD, type ReadyMessage } from './ready.js';

/** Serves until the mount ends. @returns the exit code. @throws CoralError where it can't start */
export async function serveForeground(
  request: MountRequest,
  say: (message: string) => void,
): Promise<ExitCode> {
  const plan = await planMount(request);
  const log = openForegroundLog(plan.settings.log, (text) => process.stderr.write(text));
  const daemon = await begin(plan, log);
  say(`${plan.directory} serves at ${plan.mountpoint}. Ctrl-C unmounts.`);
  return daemon.ended;
}

/** The detached child. Tells the parent how the start went; never throws. */
export async function serveBackground(request: MountRequest): Promise<ExitCode> {
  try {
    const plan = await planMount(request);
    const log = openFileLog(join(plan.directory, 'log', 'daemon.log'), plan.settings.log);
    process.chdir('/');
    const daemon = await begin(plan, log);
    tellParent({ ok: true, pid: process.pid });
    return await daemon.ended;
  } catch (error) {
    const exitCode = error instanceof CoralError ? error.exitCode : ExitCode.failed;
    const message = error instanceof CoralError ? error.message : (error as Error).message;
    tellParent({ ok: false, message, exitCode });
    return exitCode;
  }
}

async function begin(plan: MountPlan, log: Log): Promise<Daemon> {
  process.umask(0o077);
  for (const warning of plan.warnings) log.warn(warning);
  let early: string | null = null;
  let daemon: Daemon | null = null;
  const stop = (signal: string) => {
    if (daemon === null) early = signal;
    else daemon.stop(signal);
  };
  keepAlive(log, stop);
  try {
    daemon = await startDaemon(plan, log);
  } catch (error) {
    log.error(errorField(error), 'the volume could not be mounted');
    throw error;
  }
  if (early !== null) daemon.stop(early);
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
    closeSync(READY_FD);
  } catch (error) {
    process.stderr.write(`the starting process is gone: ${reasonOf(error)}\n`);
  }
}
