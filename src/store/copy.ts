/**
 * Puts a copy of the database into a directory so that there is a whole one at any moment, the old or
 * the new.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DATA_FILE } from './files.js';

/** `write` fills an empty directory with the database file. @throws of the file system (ENOSPC ...) */
export async function replaceCopy(
  directory: string,
  write: (into: string) => Promise<void>,
): Promise<void> {
  const incoming = join(directory, 'incoming');
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  try {
    await write(incoming);
    await sync(join(incoming, DATA_FILE));
    await rename(join(incoming, DATA_FILE), join(directory, DATA_FILE));
    await sync(directory);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
