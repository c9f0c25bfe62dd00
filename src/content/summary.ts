/** What a recipe takes on disk: its distinct chunks, and which of them other recipes name too. */
import { contentError } from './errors.js';
import type { ContentParts } from './parts.js';
import { hashAt, type Segment } from './records.js';
import { giveWay } from './turns.js';
import type { StoredSummary } from './types.js';
import { hashKey } from './uses.js';

/** Walks the segments, giving way after each. Recipes in the garbage that name a chunk count as well. */
export async function summarize(
  { index }: Pick<ContentParts, 'index'>,
  segments: Iterable<Segment>,
): Promise<StoredSummary> {
  const seen = new Map<string, { times: number; stored: number; references: number }>();
  for (const { hashes, lengths, zero } of segments) {
    for (let i = 0; i < lengths.length; i++) {
      if (zero[i]) continue;
      const hash = hashAt(hashes, i);
      const known = seen.get(hashKey(hash));
      if (known) known.times++;
      else seen.set(hashKey(hash), { times: 1, ...lookup(index, hash) });
    }
    await giveWay();
  }
  let storedBytes = 0;
  let sharedBytes = 0;
  for (const { times, stored, references } of seen.values()) {
    storedBytes += stored;
    if (references > times) sharedBytes += stored;
  }
  return { storedBytes, sharedBytes };
}

function lookup(
  index: ContentParts['index'],
  hash: Buffer,
): { stored: number; references: number } {
  const location = index.get(hash);
  if (!location) throw contentError('EIO', `chunk ${hash.toString('hex')} is not in the index`);
  return location;
}
