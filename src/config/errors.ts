/**
 * Errors that people read, and the registry of exit codes that scripts read.
 *
 * A message is one line: what was tried, on what, why it failed, and what to do about it. The command line
 * prints it as it is; the stack is shown only with `--debug`. Numbers are never reused.
 */
export const ExitCode = {
  /** What was asked is done. */
  done: 0,
  /** The request failed: a file, a job, a disk; anything that has no number of its own. */
  failed: 1,
  /** Wrong usage: unknown verb, option, value. */
  usage: 2,
  /** The path is on no mount, or the mount has no daemon. */
  notMounted: 3,
  /** The volume or a tier can't be used: missing, foreign, locked, read-only. */
  unusable: 4,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** An error whose message is complete for a person; `cause` is for the log and `--debug`. */
export class CoralError extends Error {
  override readonly name = 'CoralError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): CoralError {
  return new CoralError(ExitCode.usage, message);
}

const EXPLAINED: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'it is in use',
  EEXIST: 'it exists already',
  EIO: 'the medium gave an I/O error',
  EISDIR: 'it is a directory',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENODEV: 'no such device',
  ENOENT: 'it does not exist',
  ENOSPC: 'no space left',
  ENOTCONN: 'nobody serves it any more',
  ENOTDIR: 'it is not a directory',
  ENOTEMPTY: 'it is not empty',
  EPERM: 'operation not permitted',
  EROFS: 'it is read-only',
  ESTALE: 'it was changed or replaced meanwhile',
};

/** Why a system call failed, in words; for the middle of a message. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = errnoName(error);
  return (code !== undefined && EXPLAINED[code]) || firstLine(error.message);
}

/** The errno name of a system error such as `ENOENT`, or undefined. */
export function errnoName(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0];
}
