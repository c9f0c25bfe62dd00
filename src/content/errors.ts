/** Errors of the content store carry an errno name, so that the kernel border can answer with it. */
import { constants } from 'node:os';

type Code = 'EIO' | 'EBADMSG' | 'ENOENT' | 'ENOSPC' | 'ECANCELED';

/** What the content store itself found wrong; its message says what. */
export class ContentError extends Error {
  readonly errno: number;

  constructor(
    readonly code: Code,
    message: string,
  ) {
    super(message);
    this.errno = constants.errno[code];
  }
}

/** @param code such as `EIO`. */
export const contentError = (code: Code, message: string): Error => new ContentError(code, message);

export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
