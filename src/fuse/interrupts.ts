/**
 * Lets programs die that wait for an answer: the kernel holds a killed one until it has one, and a packed file may take
 * minutes to be made plain. Only one that is killed is answered early: a program that handles a signal does not expect
 * EINTR of a file on a disk.
 */
import { readFileSync } from 'node:fs';

/** The kernel tells of a request's first signal only: whoever had one is looked at until the answer is there. */
const LOOK_AGAIN_MS = 500;
const SIGKILL = 9;

export interface Interrupts {
  /** A request that is answered later. `giveUp` answers it now. */
  begin(unique: number, thread: number, giveUp: () => void): void;
  /** @returns false where it was given up */
  end(unique: number): boolean;
  /** The thread that waits got a signal. */
  signalled(unique: number): void;
}

interface Waiting {
  /** As the kernel knows it, in this process's namespace; 0 where it is in none that can be seen. */
  thread: number;
  giveUp: () => void;
}

export function createInterrupts(): Interrupts {
  const waiting = new Map<number, Waiting>();
  const signalled = new Set<number>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    timer = undefined;
    for (const unique of signalled) {
      const request = waiting.get(unique);
      if (request && !isKilled(request.thread)) continue;
      signalled.delete(unique);
      waiting.delete(unique);
      request?.giveUp();
    }
    if (signalled.size > 0) timer = setTimeout(look, LOOK_AGAIN_MS).unref();
  }

  return {
    begin: (unique, thread, giveUp) => void waiting.set(unique, { thread, giveUp }),
    end(unique) {
      signalled.delete(unique);
      return waiting.delete(unique);
    },
    signalled(unique) {
      if (!waiting.has(unique)) return;
      signalled.add(unique);
      timer ??= setTimeout(look).unref();
    },
  };
}

/** proc(5): a signal that ends a process is pending as SIGKILL in each of its threads. */
function isKilled(thread: number): boolean {
  try {
    const status = readFileSync(`/proc/${thread}/status`, 'latin1');
    const pending = /^SigPnd:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
    return ((BigInt(`0x${pending}`) >> BigInt(SIGKILL - 1)) & 1n) === 1n;
  } catch {
    return false;
  }
}
