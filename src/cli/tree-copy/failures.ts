/** What could not be copied, in words, and which errors end it all. */
import { CoralError, ExitCode, reasonOf } from '../../config/errors.js';
import { shown } from '../../config/mountinfo.js';
import type { ExportFailure } from '../../native.js';
import type { CopyTarget, Entry } from './entry.js';

export interface Failed {
  path: string;
  error: string;
}

type Step = ExportFailure['step'];

/** One line for a person: which path, what was tried, and why it did not work. */
export function failureOf({ source, target }: Entry, step: Step, error: unknown): Failed {
  const path = shown(source);
  const why = reasonOf(error);
  if (step === 'read') return { path, error: `${path}: it can't be read: ${why}` };
  return { path, error: `${path}: it can't be written to ${shown(target)}: ${why}` };
}

/** Where something stands at the target that is not the same. */
export function inTheWay({ source, target }: Entry, { verb }: CopyTarget): Failed {
  const path = shown(source);
  const error = `${path}: ${shown(target)} exists and is another one. Remove it, or ${verb} to another place`;
  return { path, error };
}

/** What to say where nothing that comes could work either; undefined where others may. */
export function stopFor({ source }: Entry, step: Step, error: unknown): Stop | undefined {
  const { code, syscall } = error as NodeJS.ErrnoException;
  const side = step === 'read' ? `${shown(source)} can't be read: ` : '';
  if (code === 'ENOTCONN' || code === 'ECONNABORTED') {
    return { why: `${side}nobody serves it any more`, remedy: 'Mount the volume, then' };
  }
  // What an extended attribute gives that is too long for the filesystem.
  if (step === 'read' || syscall === 'setxattr') return undefined;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return isFull ? { why: reasonOf(error), remedy: 'Make room there, then' } : undefined;
}

/** What ended it early. */
export interface Stop {
  why: string;
  /** What to do before the command is repeated: the beginning of that sentence. */
  remedy: string;
}

export function stoppedError(
  { directory, verb }: CopyTarget,
  { why, remedy }: Stop,
  files: number,
): CoralError {
  const there = `${files} file${files === 1 ? '' : 's'} ${verb}ed so far`;
  return new CoralError(
    ExitCode.failed,
    `${shown(directory.source)}: ${why}; ${there} ${files === 1 ? 'is' : 'are'} whole. ` +
      `${remedy} repeat the command: it goes on where it stopped`,
  );
}
