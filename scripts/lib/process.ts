/** Runs programs for tests and benchmarks: output collected, a deadline on each, so that a hang fails. */
import { spawn, type ChildProcess } from 'node:child_process';

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Milliseconds, 60,000 by default. */
  timeoutMs?: number;
  input?: string;
}

/** Runs to the end, whatever the exit code. @throws when the program can't start or takes too long. */
export async function run(program: string, args: string[], options: RunOptions = {}) {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const output = collect(child);
  const code = await closed(child, [program, ...args].join(' '), options.timeoutMs ?? 60_000);
  return { code, ...output() } satisfies Result;
}

/** Runs and expects exit code 0. @returns standard output. */
export async function must(program: string, args: string[], options: RunOptions = {}) {
  const result = await run(program, args, options);
  if (result.code !== 0) {
    const command = [program, ...args].join(' ');
    throw new Error(`${command}: exit ${String(result.code)}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/** A shell script with `set -e`; arguments are `$1`, `$2` and so on. */
export function shell(script: string, args: string[] = [], options: RunOptions = {}) {
  return must('bash', ['-euo', 'pipefail', '-c', script, 'bash', ...args], options);
}

function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (data: Buffer) => out.push(data));
  child.stderr?.on('data', (data: Buffer) => err.push(data));
  return () => ({ stdout: String(Buffer.concat(out)), stderr: String(Buffer.concat(err)) });
}

/** The exit code once the program ended and nobody holds its output open any more. */
function closed(child: ChildProcess, command: string, timeoutMs: number): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
      reject(new Error(`${command}: did not end within ${String(timeoutMs)} ms`));
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Asks again until `probe` gives something other than undefined or false. */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${String(timeoutMs)} ms in vain: ${what}`);
    await sleep(100);
  }
}
