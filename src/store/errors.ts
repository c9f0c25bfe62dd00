/**
 * Errors of the store: LMDB's result codes as errno names, in the shape of Node's system errors.
 */
import { statfs } from 'node:fs/promises';
import { constants } from 'node:os';

/** LMDB's own result codes that stand for a lack of space, not for damage. */
const MDB_MAP_FULL = -30792;
const MDB_TXN_FULL = -30788;

/** LMDB calls a short write EIO; with less than this free, in bytes, it was a full disk. */
const FULL_DISK_BYTES = 1 << 20;

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

export function storeError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** What a batch that LMDB rejected was rejected for. `directory` holds the database. */
export async function commitError(error: unknown, directory: string): Promise<Error> {
  const cause = await causeOf(asError(error));
  const code = codeOf(cause);
  if (code === 'ENOSPC' || (code === 'EIO' && (await isFull(directory)))) {
    return storeError('ENOSPC', `no space left for the namespace database in ${directory}`);
  }
  return storeError(
    code,
    `the namespace database in ${directory} was not written: ${cause.message}`,
  );
}

async function isFull(directory: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize < FULL_DISK_BYTES;
  } catch {
    return false;
  }
}

export function unreadable(directory: string, error: unknown): Error {
  const cause = asError(error);
  return storeError(
    codeOf(cause),
    `the namespace database in ${directory} cannot be opened: ${cause.message}`,
  );
}

/** lmdb rejects with an error whose `commitError` is a promise that rejects with the reason. */
async function causeOf(error: Error & { commitError?: unknown }): Promise<Error> {
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return asError(cause);
  }
}

/** The errno name of an error, whether it says so by name, by number, or as an LMDB result. */
function codeOf(error: Error & { code?: unknown }): string {
  if (typeof error.code === 'string') return error.code;
  if (error.code === MDB_MAP_FULL || error.code === MDB_TXN_FULL) return 'ENOSPC';
  return ERRNO_NAMES.get(Number(error.code)) ?? 'EIO';
}
