/** JSON files that are there whole, the old one or the new: written beside, synced, renamed. */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function writeDurably(path: string, value: object, mode: number): Promise<void> {
  await writeIncoming(path, value, mode);
  await nameIncoming(path);
}

/** Where a file lies until it gets its name. */
export const incomingPath = (path: string): string => `${path}.new`;

export async function writeIncoming(path: string, value: object, mode: number): Promise<void> {
  const file = await open(incomingPath(path), 'w', mode);
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

export async function nameIncoming(path: string): Promise<void> {
  await rename(incomingPath(path), path);
  await syncDirectory(dirname(path));
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
