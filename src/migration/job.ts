/** A job: what others see of a move, and how it ended. */
import { errnoName, reasonOf } from '../config/errors.js';
import { ContentError } from '../content/errors.js';
import { MoveCancelled, MoveError } from './deps.js';
import { type Move, progress } from './move.js';
import type { Job, JobKind, MoveOptions } from './types.js';

/** A move with its view and the promise of its end. */
export interface Entry {
  readonly move: Move;
  readonly job: Job;
  /** Rejects with the reason where the job failed or was cancelled. */
  readonly ended: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export function createEntry(
  id: number,
  kind: JobKind,
  { ino, size }: { ino: number; size: number },
  tier: string,
  options: MoveOptions,
): Entry {
  const move: Move = {
    id,
    kind,
    ino,
    tier,
    options,
    state: 'queued',
    size,
    total: size,
    done: 0,
    error: null,
    urgent: options.urgent,
    allowOpen: false,
    cancelled: false,
    switched: false,
    shared: 0,
    wake: null,
    control: null,
  };
  let resolve = (): void => {};
  let reject: (error: Error) => void = () => {};
  const ended = new Promise<void>((onDone, onFailed) => {
    resolve = onDone;
    reject = onFailed;
  });
  // Who wants to know asks; a failure that nobody asked about is in the log.
  ended.catch(() => {});
  return { move, job: jobOf(move), ended, resolve, reject };
}

/** A live view: its fields follow the move. */
function jobOf(move: Move): Job {
  const { id, kind, ino, tier } = move;
  return {
    id,
    kind,
    ino,
    tier,
    get state() {
      return move.state;
    },
    get total() {
      return move.size;
    },
    get done() {
      return progress(move);
    },
    get error() {
      return move.error;
    },
  };
}

export function makesPacked({ kind, options }: Pick<Move, 'kind' | 'options'>): boolean {
  return kind === 'demote' && options.pack;
}

export const isShare = ({ kind }: Pick<Move, 'kind'>): boolean => kind === 'share';

/** Both ask for the same form at the same place. */
export function wantsSame(a: Move, b: Pick<Move, 'kind' | 'tier' | 'options'>): boolean {
  return a.tier === b.tier && isShare(a) === isShare(b) && makesPacked(a) === makesPacked(b);
}

export function hasEnded({ state }: Move): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

export function isCancel(error: unknown, move: Move): boolean {
  if (error instanceof MoveCancelled) return true;
  return move.cancelled && errnoName(error) === 'ECANCELED';
}

/** One line: what was tried, on what, why it failed. */
export function failureText(move: Move, path: string, error: unknown): string {
  const isOurs = error instanceof MoveError || error instanceof ContentError;
  const why = isOurs ? error.message : reasonOf(error);
  const where = move.kind === 'share' ? 'on' : 'to';
  const text = `could not ${move.kind} ${path} ${where} ${move.tier}: ${why}`;
  return move.switched ? `${text} (it is there; the old copy goes at the next start)` : text;
}

/** The moves of a list from `first` on, up to the first that fails the test. */
export function* movesWhile(
  list: readonly Entry[],
  first: number,
  test: (entry: Entry) => boolean,
): Iterable<Move> {
  for (let i = first; i < list.length && test(list[i]); i++) yield list[i].move;
}
