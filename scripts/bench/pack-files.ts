/** Folders of files, as the pack benchmark looks at them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { must, shell } from '../lib/process.js';

const LONG = { timeoutMs: 3_600_000 };

/** Lengths of all files below. Directories don't count: casync makes up to 65,536 for its chunks. */
export async function bytesOfFiles(folder: string): Promise<number> {
  const sizes = await Promise.all((await filesBelow(folder)).map((path) => stat(path)));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

export async function countFiles(folder: string): Promise<number> {
  return (await filesBelow(folder)).length;
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Reads every byte, so that the kernel has it in its cache. */
export async function readAll(folder: string): Promise<void> {
  await shell('find "$1" -type f -exec cat {} + >/dev/null', [folder], LONG);
}

/** Writes back all that is dirty on the filesystem of `folder`. */
export function syncFilesystem(folder: string): Promise<string> {
  return must('sync', ['--file-system', folder], LONG);
}

export function dropCaches(): Promise<string> {
  return shell('sync; echo 3 >/proc/sys/vm/drop_caches', [], LONG);
}

/** @throws where a file differs, or is only in one */
export async function compare(input: string, restored: string): Promise<void> {
  await must('diff', ['--recursive', '--no-dereference', input, restored], LONG);
}
