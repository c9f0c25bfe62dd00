/**
 * What happens when a reader meets a damaged chunk: it is marked, and healed where that can be done. Where the disk is
 * not there at all nothing is marked.
 */
import { LRUCache } from 'lru-cache';
import type { ChannelEvents } from './channels.js';
import type { Parts } from './parts.js';

type Deps = Pick<Parts, 'content' | 'log' | 'migration' | 'tiers'>;

/** A program that reads it again and again does not have it tried again and again: that may read much of a pack. */
const AGAIN_MS = 3_600_000;
const REMEMBERED = 10_000;

export function createDamageControl(deps: Deps): ChannelEvents['onDamage'] {
  const { content, log, migration, tiers } = deps;
  /** By name, as hex: those under way, and those that came to nothing lately. */
  const attempts = new LRUCache<string, Promise<boolean>>({ max: REMEMBERED, ttl: AGAIN_MS });

  function heal(name: Buffer): Promise<boolean> {
    const key = name.toString('hex');
    const before = attempts.get(key);
    if (before) return before;
    const attempt = migration.unpaused(() => content.healInPlace(name));
    attempts.set(key, attempt);
    const forget = () => void attempts.delete(key);
    // What failed for want of space may soon have some.
    attempt.then((healed) => healed && forget(), forget);
    return attempt;
  }

  return async (ino, chunk, pack, reason) => {
    const place = { ino, chunk, pack, reason };
    try {
      await tiers.refresh();
      const name = content.markRead(ino, chunk, pack);
      const healed = name !== undefined && (await heal(name));
      if (healed) log.warn(place, 'a damaged chunk was read, and healed');
      else if (name) log.error(place, 'a damaged chunk was read; the reader got EIO');
      else log.error(place, 'a chunk was read that is not there any more; the reader got EIO');
      return healed;
    } catch (error) {
      log.error({ ...place, err: error }, 'a damaged chunk was read, and healing it failed');
      return false;
    }
  };
}
