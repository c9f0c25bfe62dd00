/**
 * Slots: how many moves use the disks at once. A move gives its slots away while it waits for a file
 * to be closed, and those that come back go before those that start.
 *
 * A large move takes several: two of them keep disk and processors busy, one reads while the other compresses or
 * syncs. Moves of small files mostly wait for something to become durable, and many of them wait for the same; a group
 * that is packed together (`packed-together.ts`) counts as one that is not so small.
 */
import type { Move } from './move.js';

export interface Slots {
  readonly free: boolean;
  /** Resolves when the move has a slot, or at once where it needs none (`allowOpen`). */
  take(move: Move, inGroup?: boolean): Promise<void>;
  leave(move: Move): void;
  /** Lets a move go on without a slot: a program waits for it, or it was cancelled. */
  excuse(move: Move): void;
}

const SLOTS = 64;
const FOR_LARGE = SLOTS / 2;
/** Of small files that are packed together. */
const FOR_GROUP = SLOTS / 4;
/** Bytes. Copying a file of this size takes about as long as making it durable. */
const LARGE = 1 << 20;

/** `onFree` runs when a slot is left that nobody waits for. */
export function createSlots(onFree: () => void): Slots {
  /** Below 0 while the last move to come took more than there were. */
  let left = SLOTS;
  const held = new Map<Move, number>();
  const waiting = new Map<Move, () => void>();

  function hold(move: Move, inGroup: boolean): void {
    const count = inGroup ? FOR_GROUP : move.total < LARGE ? 1 : FOR_LARGE;
    left -= count;
    held.set(move, count);
  }

  function give(count: number): void {
    left += count;
    for (const [move, resume] of waiting) {
      if (left <= 0) return;
      waiting.delete(move);
      hold(move, false);
      resume();
    }
    if (left > 0) onFree();
  }

  return {
    get free() {
      return left > 0;
    },
    async take(move, inGroup = false) {
      if (held.has(move) || move.allowOpen || move.cancelled) return;
      if (left <= 0) return new Promise((resolve) => waiting.set(move, resolve));
      hold(move, inGroup);
    },
    leave(move) {
      const count = held.get(move);
      if (count === undefined) return;
      held.delete(move);
      give(count);
    },
    excuse(move) {
      const resume = waiting.get(move);
      waiting.delete(move);
      resume?.();
    },
  };
}
