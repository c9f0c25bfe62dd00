/**
 * Slots: how many moves use the disks at once. A move gives its slot away while it waits for a file
 * to be closed, and those that come back go before those that start.
 */
import type { Move } from './move.js';

export interface Slots {
  readonly free: boolean;
  /** Resolves when the move has a slot, or at once where it needs none (`allowOpen`). */
  take(move: Move): Promise<void>;
  leave(move: Move): void;
  /** Lets a move go on without a slot: a program waits for it, or it was cancelled. */
  excuse(move: Move): void;
}

/** `onFree` runs when a slot is left that nobody waits for. */
export function createSlots(count: number, onFree: () => void): Slots {
  let left = count;
  const waiting = new Map<Move, () => void>();

  function give(): void {
    const [next] = waiting;
    if (!next) {
      left++;
      onFree();
      return;
    }
    const [move, resume] = next;
    waiting.delete(move);
    move.holdsSlot = true;
    resume();
  }

  return {
    get free() {
      return left > 0;
    },
    async take(move) {
      if (move.holdsSlot || move.allowOpen || move.cancelled) return;
      if (left === 0) return new Promise((resolve) => waiting.set(move, resolve));
      left--;
      move.holdsSlot = true;
    },
    leave(move) {
      if (!move.holdsSlot) return;
      move.holdsSlot = false;
      give();
    },
    excuse(move) {
      const resume = waiting.get(move);
      waiting.delete(move);
      resume?.();
    },
  };
}
