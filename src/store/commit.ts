/** Commits of a start, which must not depend on room: who can't open a volume can't delete anything in it. */
import type { Store } from './types.js';

const NO_ROOM: readonly unknown[] = ['ENOSPC', 'EDQUOT'];

/**
 * Makes what was written durable where there is room for that. Where not, it stays readable and is tried again, and
 * `store.failed` says so. @returns whether it is durable. @throws what is no lack of room
 */
export async function commitWhereRoom(store: Store): Promise<boolean> {
  try {
    await store.commit();
    return true;
  } catch (error) {
    if (!NO_ROOM.includes((error as NodeJS.ErrnoException).code)) throw error;
    return false;
  }
}
