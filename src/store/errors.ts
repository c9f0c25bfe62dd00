/**
 * Errors of the store: LMDB's result codes as errno names, in the shape of Node's system errors.
 */
import { constants } from 'node:os';

/** LMDB's own result codes that stand for a lack of space, not for damage. */
const MDB_MAP_FULL = -30792;
const MDB_TXN_FULL = -30788;

/** After these a transaction was given up before anything referred to it: the next attempt may work. */
const RETRIED = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'ENOMEM']);

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

export function storeError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * Whether another commit may follow this failure. After any other error LMDB may have declared its
 * environment dead, in which state a further transaction would wait for ever.
 */
export function canRetry(error: Error): boolean {
  return RETRIED.has(codeOf(error));
}

/** What a rejected LMDB batch was rejected for. */
export async function commitError(error: unknown): Promise<Error> {
  const cause = await causeOf(asError(error));
  const code = codeOf(cause);
  return storeError(
    code,
    `changes could not be written to the namespace database: ${cause.message}`,
  );
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
