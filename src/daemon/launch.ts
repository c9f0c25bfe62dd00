/** The parent's side of a background mount: starts the daemon detached and waits until it serves. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { setAside } from '../observe/log.js';
import { planMount, type MountPlan, type MountRequest } from './preflight.js';
import { READY_FD, SERVE_VERB, type ReadyMessage } from './ready.js';

/**
 * Checks what can be checked, then starts the daemon.
 * @returns the plan and the daemon's pid once it serves. @throws CoralError with the daemon's reason
 */
export async function launch(request: MountRequest): Promise<{ plan: MountPlan; pid: number }> {
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
  const message = await readyMessage(child, plan.directory);
  child.unref();
  if (message.ok) return { plan, pid: message.pid };
  throw new CoralError(message.exitCode, message.message);
}

type Child = ReturnType<typeof spawn>;

function readyMessage(child: Child, directory: string): Promise<ReadyMessage> {
  return new Promise((resolve, reject) => {
    let text = '';
    const pipe = child.stdio[READY_FD] as NodeJS.ReadableStream & { destroy(): void };
    pipe.on('data', (chunk: Buffer) => (text += chunk.toString()));
    pipe.on('error', reject);
    pipe.on('end', () => {
      pipe.destroy();
      resolve(text === '' ? diedSilently(directory) : (JSON.parse(text) as ReadyMessage));
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

function diedSilently(directory: string): ReadyMessage {
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
