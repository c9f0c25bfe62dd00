/** Processes that work on trees of small files (metadata-worker.cc), and the state of caches before. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '../lib/process.js';

const worker = fileURLToPath(new URL('./metadata-worker', import.meta.url));
const LONG = { timeoutMs: 3_600_000 };

/** A tree of so many directories with so many files each, and who works on it. */
export interface Share {
  directories: number;
  files: number;
  processes: number;
}

/**
 * Starts the workers, lets them go together.
 * @returns operations per second of all of them
 */
export async function measure(operation: string, root: string, share: Share): Promise<number> {
  const { directories, files, processes } = share;
  const workers = Array.from({ length: processes }, (_, index) =>
    startWorker([operation, root, directories, files, index, processes].map(String)),
  );
  await Promise.all(workers.map(({ ready }) => ready));
  let count = 0;
  const elapsed = await seconds(async () => {
    for (const { go } of workers) go();
    for (const { done } of workers) count += await done;
  });
  return count / elapsed;
}

interface Worker {
  ready: Promise<unknown>;
  go(): void;
  /** Operations it did. */
  done: Promise<number>;
}

function startWorker(args: string[]): Worker {
  const child = spawn(worker, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = once(child.stdout, 'data');
  const ended = once(child, 'close') as Promise<[number | null]>;
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  const done = ended.then(([code]) => {
    if (code !== 0) throw new Error(`metadata-worker ${args.join(' ')}: exit ${String(code)}`);
    return Number(output.trim().split('\n').at(-1));
  });
  return { ready, go: () => child.stdin.end(), done };
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** Takes names and attributes from the kernel's caches; data stays. */
export async function forget(): Promise<void> {
  await must('sync', [], LONG);
  await writeFile('/proc/sys/vm/drop_caches', '2');
}

export async function makeDirectories(root: string, count: number): Promise<void> {
  await mkdir(root);
  for (let i = 0; i < count; i++) await mkdir(join(root, `d${String(i).padStart(4, '0')}`));
}
