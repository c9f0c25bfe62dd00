/**
 * The parent's side of a background mount: starts the daemon detached and waits until it serves. All checks are
 * the daemon's: to load what they need here as well would double the time.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { setAside } from '../observe/set-aside.js';
import { volumeDirectory, type MountRequest } from './mount-request.js';
import { lineReader } from './protocol.js';
import {
  READY_FD,
  SERVE_VERB,
  type NotStarted,
  type ReadyMessage,
  type StartResult,
} from './ready.js';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

export interface Launched {
  mountpoint: string;
  volume: string;
  pid: number;
  warnings: readonly string[];
}

/**
 * Returns once the daemon serves. What it says meanwhile goes to `say`; a signal that ends this process before
 * it serves ends it too. @throws CoralError with the daemon's reason
 */
export async function launch(
  request: MountRequest,
  say: (message: string) => void,
): Promise<Launched> {
  const directory = volumeDirectory(request.volume);
  const stray = await openStray(directory, request);
  const child = startDaemon(directory, request, stray);
  closeSync(stray);
  const release = endTogether(child);
  const message = await startResult(child, directory, say);
  release();
  child.unref();
  if (!message.ok) throw refused(message);
  const { mountpoint, pid, warnings } = message;
  return { mountpoint, volume: directory, pid, warnings };
}

function startDaemon(directory: string, { mountpoint, options }: MountRequest, stray: number) {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const words = [directory, resolve(mountpoint), ...options.flatMap((text) => ['-o', text])];
  return spawn(process.execPath, [...process.execArgv, main, SERVE_VERB, ...words], {
    detached: true,
    stdio: ['ignore', stray, stray, 'pipe'],
  });
}

function refused({ exitCode, message, stack }: NotStarted): CoralError {
  return new CoralError(exitCode, message, { cause: stack });
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

/** Leaves alone what is no volume: the checks say what is wrong with it. @throws CoralError */
async function openStray(directory: string, request: MountRequest): Promise<number> {
  try {
    statSync(join(directory, 'volume.json'));
    mkdirSync(join(directory, 'log'), { recursive: true, mode: 0o700 });
    setAside(strayPath(directory));
    return openSync(strayPath(directory), 'a', 0o600);
  } catch (error) {
    const { planMount } = await import('./preflight.js');
    await planMount(request);
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
  const reason = last === '' ? ' and left no word: is the disk full?' : `: ${last}`;
  return {
    ok: false,
    exitCode: ExitCode.failed,
    message: `the daemon ended before it served${reason} (more in ${strayPath(directory)})`,
  };
}

function cannotStart(error: Error): CoralError {
  const why = reasonOf(error);
  return new CoralError(ExitCode.failed, `the daemon can't be started: ${why}`, { cause: error });
}
