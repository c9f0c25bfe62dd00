/**
 * Recipes: which chunks make up a file. An inode names a recipe by number, and the recipe's chunks lie in
 * segments under that number, so that a file of any size is switched to its recipe, or lets go of it, with
 * two small records. A recipe that no inode names (being built, given up, or released) stands in `garbage`.
 */
import type { Store } from '../store/types.js';
import { contentError } from './errors.js';
import {
  decodeHead,
  decodeSegment,
  encodeHead,
  encodeMark,
  encodeSegment,
  numberKey,
  numberOfKey,
  segmentKey,
  type RecipeHead,
  type Segment,
} from './records.js';

/** Segments. Of what was deleted beyond that, some 64 GiB, `status` learns when all of it has been given back. */
const GARBAGE_AT_START = 1024;
const NEXT_RECIPE = Buffer.from('content/next-recipe', 'latin1');

export interface Recipes {
  /** A number for a new recipe; it is garbage until an inode names it. */
  begin(): number;
  /** Of a recipe that is being built, and garbage until it is committed. */
  putSegment(recipeId: number, segment: number, chunks: Segment): void;
  /** Of a garbage recipe. */
  removeSegment(recipeId: number, segment: number, chunks: Segment): void;
  /** The chunks of one segment. @throws EIO where it is missing. */
  segment(recipeId: number, segment: number): Segment;
  /** The first stored segment, or undefined. */
  firstSegment(recipeId: number): { segment: number; chunks: Segment } | undefined;
  head(ino: number): RecipeHead | undefined;
  /** The inode names the recipe, which is garbage no more. */
  attach(ino: number, head: RecipeHead): void;
  /** The inode's recipe becomes garbage. @returns its head, or undefined where there is none. */
  detach(ino: number): RecipeHead | undefined;
  garbage(): number[];
  isGarbage(recipeId: number): boolean;
  /** Forgets a garbage recipe whose segments are gone. */
  settled(recipeId: number): void;
  /** Bytes of the files that the garbage recipes would make, without runs of zeros. */
  garbageBytes(): number;
}

export function createRecipes(store: Store): Recipes {
  const heads = store.table('recipes');
  const segments = store.table('segments');
  const garbage = store.table('garbage');
  const meta = store.table('meta');
  let garbageBytes = garbageBytesOf(store);

  const recipes: Recipes = {
    begin() {
      const recipeId = nextRecipe(store);
      const next = Buffer.alloc(8);
      next.writeBigUInt64LE(BigInt(recipeId + 1));
      meta.put(NEXT_RECIPE, next);
      garbage.put(numberKey(recipeId), encodeMark());
      return recipeId;
    },
    putSegment(recipeId, segment, chunks) {
      segments.put(segmentKey(recipeId, segment), encodeSegment(chunks));
      garbageBytes += dataBytes(chunks);
    },
    removeSegment(recipeId, segment, chunks) {
      segments.remove(segmentKey(recipeId, segment));
      garbageBytes -= dataBytes(chunks);
    },
    segment(recipeId, segment) {
      const value = segments.get(segmentKey(recipeId, segment));
      if (value) return decodeSegment(value);
      throw contentError('EIO', `recipe ${recipeId} lacks its segment ${segment}`);
    },
    firstSegment(recipeId) {
      const end = segmentKey(recipeId + 1, 0);
      for (const { key, value } of segments.range(segmentKey(recipeId, 0), end)) {
        return { segment: key.readUInt32BE(8), chunks: decodeSegment(value) };
      }
      return undefined;
    },
    head(ino) {
      const value = heads.get(numberKey(ino));
      return value && decodeHead(value);
    },
    attach(ino, head) {
      heads.put(numberKey(ino), encodeHead(head));
      garbage.remove(numberKey(head.recipeId));
      garbageBytes -= head.size - head.zeroBytes;
    },
    detach(ino) {
      const head = recipes.head(ino);
      if (!head) return undefined;
      heads.remove(numberKey(ino));
      garbage.put(numberKey(head.recipeId), encodeMark());
      garbageBytes += head.size - head.zeroBytes;
      return head;
    },
    garbage: () => [...garbageOf(store)],
    isGarbage: (recipeId) => garbage.get(numberKey(recipeId)) !== undefined,
    settled(recipeId) {
      garbage.remove(numberKey(recipeId));
      // What was not read at the start is gone too.
      if (isEmpty(garbageOf(store))) garbageBytes = 0;
    },
    garbageBytes: () => Math.max(0, garbageBytes),
  };
  return recipes;
}

/** The number of the recipe that is made next. */
export function nextRecipe(store: Store): number {
  return Number(store.table('meta').get(NEXT_RECIPE)?.readBigUInt64LE(0) ?? 1n);
}

function* garbageOf(store: Store): Iterable<number> {
  for (const { key } of store.table('garbage').range(Buffer.alloc(0))) yield numberOfKey(key);
}

/** Read once, and no more of it than a start has time for: from then on it is counted along. */
function garbageBytesOf(store: Store): number {
  let bytes = 0;
  let left = GARBAGE_AT_START;
  for (const recipeId of garbageOf(store)) {
    const range = store
      .table('segments')
      .range(segmentKey(recipeId, 0), segmentKey(recipeId + 1, 0));
    for (const { value } of range) {
      if (left-- === 0) return bytes;
      bytes += dataBytes(decodeSegment(value));
    }
  }
  return bytes;
}

function isEmpty(values: Iterable<unknown>): boolean {
  for (const _ of values) return false;
  return true;
}

function dataBytes({ lengths, zero }: Segment): number {
  return lengths.reduce((sum, length, i) => (zero[i] ? sum : sum + length), 0);
}
