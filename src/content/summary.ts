/** What a recipe takes on disk: its distinct chunks, and which of them other recipes name too. */
import { contentError } from './errors.js';
import type { ContentParts } from './parts.js';
import { nameAt, type Segment } from './records.js';
import { giveWay } from './turns.js';
import type { StoredSummary } from './types.js';
import { hashKey } from './uses.js';

type Seen = Map<string, { times: number; stored: number; references: number }>;

/** Walks the segments, giving way after each. Recipes in the garbage that name a chunk count as well. */
export async function summarize(
  { index }: Pick<ContentParts, 'index'>,
  segments: Iterable<Segment>,
): Promise<StoredSummary> {
  const seen: Seen = new Map();
  for (const chunks of segments) {
    see(seen, index, chunks);
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

/** In one turn, for a file with few chunks. */
export function storedBytesOf(index: ContentParts['index'], segments: Iterable<Segment>): number {
  const seen: Seen = new Map();
  for (const chunks of segments) see(seen, index, chunks);
  let bytes = 0;
  for (const { stored } of seen.values()) bytes += stored;
  return bytes;
}

function see(seen: Seen, index: ContentParts['index'], chunks: Segment): void {
  for (let i = 0; i < chunks.lengths.length; i++) {
    if (chunks.zero[i]) continue;
    const name = nameAt(chunks, i);
    const known = seen.get(hashKey(name));
    if (known) known.times++;
    else seen.set(hashKey(name), { times: 1, ...lookup(index, name) });
  }
}

function lookup(
  index: ContentParts['index'],
  name: Buffer,
): { stored: number; references: number } {
  const location = index.get(name);
  if (!location) throw contentError('EIO', `chunk ${name.toString('hex')} is not in the index`);
  return location;
}
