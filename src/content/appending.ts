/**
 * Chunks that running jobs append and that the index does not know yet: two jobs with equal data, packed in step,
 * store it once. A job that meets a chunk of another one takes that one's record and relies on it as on its own.
 */
import type { Place } from './chunk-index.js';

/** Called in the turn in which the append ends: with the record, or undefined where it failed. */
type Waiter = (place: Place | undefined) => void;

export interface Appending {
  /** The record; waiters while it is being appended; undefined where no job has the chunk. */
  find(key: string): Place | Waiter[] | undefined;
  /** The caller appends the chunk now and says `appended` or `forget` in any case. */
  claim(key: string): void;
  appended(key: string, place: Place): void;
  /** The index knows it, or nobody appends it any more. */
  forget(key: string): void;
}

export function createAppending(): Appending {
  const chunks = new Map<string, Place | Waiter[]>();

  function wake(key: string, place: Place | undefined): void {
    const known = chunks.get(key);
    if (Array.isArray(known)) for (const waiter of known) waiter(place);
  }

  return {
    find: (key) => chunks.get(key),
    claim: (key) => void chunks.set(key, []),
    appended(key, place) {
      wake(key, place);
      chunks.set(key, place);
    },
    forget(key) {
      wake(key, undefined);
      chunks.delete(key);
    },
  };
}
