/** Errors of the content store carry an errno name, so that the kernel border can answer with it. */
import { constants } from 'node:os';

/** @param code such as `EIO`. */
export function contentError(
  code: 'EIO' | 'EBADMSG' | 'ENOENT' | 'ECANCELED',
  message: string,
): Error {
  return Object.assign(new Error(message), { code, errno: constants.errno[code] });
}

export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}
