/** The one place where errors become numbers for the kernel. */
import { constants } from 'node:os';

const numbers = constants.errno as unknown as Record<string, number>;

/** Missing in Node's table. */
const EXTRA: Record<string, number> = { ENOATTR: 61, ESTALE: 116, EUCLEAN: 117, EDQUOT: 122 };

/**
 * A failed file operation: `code` is the errno name that the program will see. An answer and no defect, and
 * a common one: it carries no stack, which costs more to take than the answer.
 */
export class FileError extends Error {
  constructor(
    readonly code: string,
    detail?: string,
  ) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(detail === undefined ? code : `${code}: ${detail}`);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'FileError';
  }
}

/** Positive errno of a name such as 'ENOENT'; EIO where the name is unknown. */
export function errnoOf(code: string): number {
  return numbers[code] ?? EXTRA[code] ?? numbers.EIO;
}

/** Positive errno for any thrown value; what is not a system error is EIO. */
export function errnoOfError(error: unknown): number {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? errnoOf(code) : numbers.EIO;
}

/** True where the error carries an errno name, that is: an answer and not a defect of ours. */
export function isSystemError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && (code in numbers || code in EXTRA);
}
