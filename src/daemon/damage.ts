/** What happens when a reader meets a damaged chunk: it is marked, and healed where that can be done. */
import { LRUCache } from 'lru-cache';
import type { ChannelEvents } from './channels.js';
import type { Parts } from './parts.js';

type Deps = Pick<Parts, 'content' | 'log' | 'migration'>;

/** A program that reads it again and again does not have it tried again and again: that may read much of a pack. */
const AGAIN_MS = 3_600_000;
const REMEMBERED = 10_000;

export function createDamageControl({ content, log, migration }: Deps): ChannelEvents['onDamage'] {
  /** By inode and chunk: under way, and those that failed lately. */
  const attempts = new LRUCache<string, Promise<boolean>>({ max: REMEMBERED, ttl: AGAIN_MS });

  async function heal(ino: number, chunk: number): Promise<boolean> {
    const name = content.markBad(ino, chunk);
    if (name === undefined) return false;
    return (await migration.unpaused(() => content.heal([name]))).length > 0;
  }

  return async (ino, chunk, pack, reason) => {
    const key = `${ino}/${chunk}`;
    const attempt = attempts.get(key) ?? heal(ino, chunk);
    attempts.set(key, attempt);
    const place = { ino, chunk, pack, reason };
    try {
      const healed = await attempt;
      if (healed) attempts.delete(key);
      if (healed) log.warn(place, 'a damaged chunk was read, and healed');
      else log.error(place, 'a damaged chunk was read; the reader got EIO');
      return healed;
    } catch (error) {
      log.error({ ...place, err: error }, 'a damaged chunk was read, and healing it failed');
      return false;
    }
  };
}
