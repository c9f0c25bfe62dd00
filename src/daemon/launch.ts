/** The parent's side of a background mount: starts the daemon detached and waits until it serves. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { setAside } from '../observe/log.js';
import { planMount, type MountPlan, type MountRequest } from './preflight.js';
import { lineReader } from './protocol.js';
import { READY_FD, SERVE_VERB, type ReadyMessage, type StartResult } from './ready.js';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/**
 * Checks what can be checked, then starts the daemon. What it says meanwhile goes to `say`; a signal that ends
 * this process before it serves ends it too.
 * @returns the plan and the daemon's pid once it serves. @throws CoralError with the daemon's reason
 */
export async function launch(
  request: MountRequest,
  say: (message: string) => void,
): Promise<{ plan: MountPlan; pid: number }> {
  const plan = await planMount(request);
  const words = [plan.directory, plan.mountpoint];
  for (const option of request.options) words.push('-o', option);
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const stray = openStray(plan.directory);
  const child = spawn(process.execPath, [...process.execArgv, main, SERVE_VERB, ...words], {
    detached: true,
    stdio: ['ignore', stray, stray, 'pipe'],
  });
  closeSync(stray);
  const release = endTogether(child);
  const message = await startResult(child, plan.directory, say);
  release();
  child.unref();
  if (message.ok) return { plan, pid: message.pid };
  throw new CoralError(message.exitCode, message.message);
}

type Child = ReturnType<typeof spawn>;

/** @returns what undoes it */
function endTogether(child: Child): () => void {
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, pass);
  return () => {
    for (const signal of SIGNALS) process.off(signal, pass);
  };
}

function startResult(
  child: Child,
  directory: string,
  say: (message: string) => void,
): Promise<StartResult> {
  return new Promise((resolve, reject) => {
    let result: StartResult | undefined;
    const pipe = child.stdio[READY_FD] as NodeJS.ReadableStream & { destroy(): void };
    const read = lineReader((line) => {
      const message = JSON.parse(line) as ReadyMessage;
      if ('note' in message) say(message.note);
      else result = message;
    });
    pipe.on('data', read);
    pipe.on('error', reject);
    pipe.on('end', () => {
      pipe.destroy();
      resolve(result ?? diedSilently(directory));
    });
    child.once('error', (error) => reject(cannotStart(error)));
  });
}

/** Where the last words of a crash go that can't go to the log. */
function strayPath(directory: string): string {
  return join(directory, 'log', 'daemon.stderr');
}

function openStray(directory: string): number {
  try {
    mkdirSync(join(directory, 'log'), { recursive: true, mode: 0o700 });
    setAside(strayPath(directory));
    return openSync(strayPath(directory), 'a', 0o600);
  } catch (error) {
    throw new CoralError(
      ExitCode.unusable,
      `${directory}: the volume can't be written to: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}

function diedSilently(directory: string): StartResult {
  const words = readFileSync(strayPath(directory), 'utf8').trim().split('\n');
  const last = words.findLast((line) => /error|fatal|assert/i.test(line)) ?? words.at(-1) ?? '';
  return {
    ok: false,
    exitCode: ExitCode.failed,
    message: `the daemon ended before it served: ${last} (more in ${strayPath(directory)})`,
  };
}

function cannotStart(error: Error): CoralError {
  const why = reasonOf(error);
  return new CoralError(ExitCode.failed, `the daemon can't be started: ${why}`, { cause: error });
}
