/**
 * Packs small files together: their chunks are stored as one batch, and made durable with one sync. Each file has a
 * recipe of its own. The order of the steps is that of one file (`packing.ts`).
 */
import type { GroupBatch } from '../native.js';
import { SEGMENT_CHUNKS } from './limits.js';
import {
  chunksOf,
  namesOfData,
  type NotedChunk,
  type PackingDeps,
  toRecipe,
  writeSegment,
  zeroBytesOf,
} from './packing.js';
import type { Segment } from './records.js';
import { Storing, type Durable, type StoringOptions } from './storing.js';
import { storedBytesOf } from './summary.js';
import { giveWay } from './turns.js';
import type { PackedFile, PackedTogether } from './types.js';

/** Segments written in one turn. */
const SLICE = 64;

/** `inos`: those of the files in the batch, in its order. */
export async function packTogether(
  deps: PackingDeps,
  inos: readonly number[],
  batch: GroupBatch,
  options: StoringOptions,
): Promise<PackedTogether> {
  const storing = new Storing(deps, options);
  const recipeIds: number[] = [];
  const abort = (): void => {
    storing.end();
    for (const recipeId of recipeIds) deps.building.delete(recipeId);
  };
  try {
    const chunks = chunksOf(batch, await storing.store(batch));
    const durable = await storing.sync(namesOfData(chunks));
    const segments: Segment[] = [];
    const files: PackedFile[] = [];
    for (let first = 0, i = 0; i < inos.length; first += batch.counts[i], i++) {
      const recipeId = deps.recipes.begin();
      recipeIds.push(recipeId);
      deps.building.add(recipeId);
      const own = chunks.slice(first, first + batch.counts[i]);
      const written = writeSegments(deps, storing, recipeId, own, durable);
      segments.push(...written);
      files.push(fileOf(deps, inos[i], recipeId, written));
      if (i % SLICE === SLICE - 1) await giveWay();
    }
    storing.release();
    return { files, all: toRecipe(0, segments), abort };
  } catch (error) {
    abort();
    throw error;
  }
}

function writeSegments(
  deps: PackingDeps,
  storing: Storing,
  recipeId: number,
  chunks: NotedChunk[],
  durable: Durable,
): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at < chunks.length; at += SEGMENT_CHUNKS) {
    const part = chunks.slice(at, at + SEGMENT_CHUNKS);
    const place = { recipeId, number: segments.length };
    segments.push(writeSegment(deps, storing, place, part, durable));
  }
  return segments;
}

function fileOf(deps: PackingDeps, ino: number, recipeId: number, segments: Segment[]): PackedFile {
  const recipe = toRecipe(ino, segments);
  deps.built.set(recipe, { recipeId, zeroBytes: zeroBytesOf(recipe) });
  return { recipe, storedBytes: storedBytesOf(deps, segments) };
}
