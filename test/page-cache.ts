/** What the page cache has of a file. */
import { execFileSync } from 'node:child_process';

/** Bytes of a file that are in the page cache. */
export function cached(path: string): number {
  const words = ['--bytes', '--noheadings', '--output', 'RES', path];
  return Number(execFileSync('fincore', words, { encoding: 'utf8' }));
}

export function dropCached(path: string): void {
  const words = [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
  execFileSync('dd', words);
}
