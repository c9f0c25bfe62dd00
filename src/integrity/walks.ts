/** Walks over everything of a kind, in slices between which the event loop goes on. */
import { giveWay } from '../content/turns.js';
import {
  decodeHead,
  decodeSegment,
  numberOfKey,
  type RecipeHead,
  type Segment,
} from '../content/records.js';
import type { Entry, Inode, Namespace } from '../namespace/types.js';
import type { Store } from '../store/types.js';

const SLICE = 500;
const SEGMENT_SLICE = 8;

export async function* walkInodes(namespace: Namespace): AsyncIterable<Inode> {
  let after = 0;
  for (;;) {
    const slice = take(namespace.inodes(after), SLICE);
    if (slice.length === 0) return;
    yield* slice;
    after = slice[slice.length - 1].ino;
    await giveWay();
  }
}

export async function* walkEntries(namespace: Namespace, dir: number): AsyncIterable<Entry> {
  let cookie: Buffer | undefined;
  for (;;) {
    const slice = take(namespace.list(dir, cookie), SLICE);
    yield* slice;
    if (slice.length < SLICE) return;
    cookie = slice[slice.length - 1].cookie;
    await giveWay();
  }
}

/** Every inode that has a recipe. */
export async function* walkHeads(store: Store): AsyncIterable<{ ino: number; head: RecipeHead }> {
  for await (const { key, value } of walkTable(store, 'recipes', SLICE)) {
    yield { ino: numberOfKey(key), head: decodeHead(value) };
  }
}

export interface StoredSegment {
  recipeId: number;
  segment: number;
  chunks: Segment;
}

/** Every recipe segment, those of recipes in the garbage too. */
export async function* walkSegments(store: Store): AsyncIterable<StoredSegment> {
  for await (const { key, value } of walkTable(store, 'segments', SEGMENT_SLICE)) {
    yield {
      recipeId: numberOfKey(key),
      segment: key.readUInt32BE(8),
      chunks: decodeSegment(value),
    };
  }
}

export async function* walkTable(
  store: Store,
  name: string,
  sliceSize: number,
): AsyncIterable<{ key: Buffer; value: Buffer }> {
  let start = Buffer.of(0);
  for (;;) {
    const slice = take(store.table(name).range(start), sliceSize);
    yield* slice;
    if (slice.length < sliceSize) return;
    start = Buffer.concat([slice[slice.length - 1].key, Buffer.of(0)]);
    await giveWay();
  }
}

function take<T>(items: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}
