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

const NEXT_RECIPE = Buffer.from('content/next-recipe', 'latin1');

export interface Recipes {
  /** A number for a new recipe; it is garbage until an inode names it. */
  begin(): number;
  putSegment(recipeId: number, segment: number, chunks: Segment): void;
  removeSegment(recipeId: number, segment: number): void;
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
}

export function createRecipes(store: Store): Recipes {
  const heads = store.table('recipes');
  const segments = store.table('segments');
  const garbage = store.table('garbage');
  const meta = store.table('meta');

  const recipes: Recipes = {
    begin() {
      const recipeId = Number(meta.get(NEXT_RECIPE)?.readBigUInt64LE(0) ?? 1n);
      const next = Buffer.alloc(8);
      next.writeBigUInt64LE(BigInt(recipeId + 1));
      meta.put(NEXT_RECIPE, next);
      garbage.put(numberKey(recipeId), encodeMark());
      return recipeId;
    },
    putSegment: (recipeId, segment, chunks) =>
      segments.put(segmentKey(recipeId, segment), encodeSegment(chunks)),
    removeSegment: (recipeId, segment) => segments.remove(segmentKey(recipeId, segment)),
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
    },
    detach(ino) {
      const head = recipes.head(ino);
      if (!head) return undefined;
      heads.remove(numberKey(ino));
      garbage.put(numberKey(head.recipeId), encodeMark());
      return head;
    },
    garbage: () => [...garbageOf(store)],
    isGarbage: (recipeId) => garbage.get(numberKey(recipeId)) !== undefined,
    settled: (recipeId) => garbage.remove(numberKey(recipeId)),
  };
  return recipes;
}

function* garbageOf(store: Store): Iterable<number> {
  for (const { key } of store.table('garbage').range(Buffer.alloc(0))) yield numberOfKey(key);
}
