/** What bounds the files that are appended to. */
import { renameSync, statSync } from 'node:fs';

/** A log beyond this many bytes is set aside as `.1` at the next start. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;

/** Renames a file that has grown too long; the older one before it goes. */
export function setAside(path: string): void {
  try {
    if (statSync(path).size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
