/**
 * A packing job: turns the chunks of one file into a recipe.
 *
 * 1. `add` looks each chunk up; what is not there is appended to the tier's open pack.
 * 2. When a segment is full, the packs are synced, and only then the segment is written and its chunks are
 *    counted: no transaction refers to bytes that are not durable.
 * 3. The recipe stands in `garbage` until `commitRecipe` puts it under its inode. A crash before that
 *    leaves it there, and reclaim gives its chunks back; a job that is tried again soon finds them.
 */
import type { ChunkBatch } from '../native.js';
import type { Tier, VolumeConfig } from '../tiers/types.js';
import type { Place } from './chunk-index.js';
import { contentError } from './errors.js';
import { HASH_BYTES, SEGMENT_CHUNKS } from './limits.js';
import type { ContentParts } from './parts.js';
import { hashAt, type Segment } from './records.js';
import { summarize } from './summary.js';
import { giveWay } from './turns.js';
import type { PackingJob, Recipe } from './types.js';
import { hashKey } from './uses.js';

/** What `commitRecipe` needs beside the recipe. */
export interface BuiltRecipe {
  recipeId: number;
  zeroBytes: number;
}

interface NotedChunk {
  hash: Buffer;
  length: number;
  zero: boolean;
}

export interface PackingDeps extends ContentParts {
  built: WeakMap<Recipe, BuiltRecipe>;
  chunking: VolumeConfig['chunking'];
}

export function startPacking(
  parts: PackingDeps,
  ino: number,
  tier: Tier,
  level: number,
): PackingJob {
  const { index, recipes, writers, uses, building, built, chunking } = parts;
  const use = uses.begin();
  const recipeId = recipes.begin();
  building.add(recipeId);
  let ended = false;
  let newBytes = 0;
  /** Chunks that are in no segment yet. */
  let noted: NotedChunk[] = [];
  /** Records appended for them, by hash. */
  let fresh = new Map<string, Place>();
  const segments: Segment[] = [];

  function findMissing(batch: ChunkBatch, hashes: Buffer): number[] {
    const missing = new Map<string, number>();
    for (let i = 0; i < batch.count; i++) {
      if (batch.zero[i]) continue;
      const hash = hashAt(hashes, i);
      const key = hashKey(hash);
      use.hashes.add(key);
      if (!missing.has(key) && !fresh.has(key) && !index.hit(hash)) missing.set(key, i);
    }
    return [...missing.values()];
  }

  async function append(batch: ChunkBatch, hashes: Buffer, missing: number[]): Promise<void> {
    const indexes = Uint32Array.from(missing);
    const { packId, offsets, stored } = await writers.append(tier, batch, indexes, level, use);
    missing.forEach((chunk, i) => {
      const place = { packId, offset: offsets[i], stored: stored[i], length: batch.lengths[chunk] };
      fresh.set(hashKey(hashAt(hashes, chunk)), place);
      newBytes += stored[i];
    });
  }

  function note(batch: ChunkBatch, hashes: Buffer): void {
    for (let i = 0; i < batch.count; i++) {
      if (batch.lengths[i] > chunking.max) throw new Error('a chunk is longer than this volume cuts');
      noted.push({
        hash: hashAt(hashes, i),
        length: batch.lengths[i],
        zero: batch.zero[i] === 1,
      });
    }
  }

  /** One turn: the segment and the references of its chunks are one transaction. */
  function writeSegment(chunks: NotedChunk[]): void {
    const segment = toSegment(chunks);
    recipes.putSegment(recipeId, segments.length, segment);
    for (const { hash, zero } of chunks) if (!zero) index.refer(hash, fresh.get(hashKey(hash)));
    segments.push(segment);
  }

  async function flush(least: number): Promise<void> {
    await writers.sync(use.packs);
    while (noted.length >= least && noted.length > 0) {
      checkRunning();
      writeSegment(noted.slice(0, SEGMENT_CHUNKS));
      noted = noted.slice(SEGMENT_CHUNKS);
      await giveWay();
    }
    keepOnlyNoted();
  }

  function keepOnlyNoted(): void {
    const before = fresh;
    fresh = new Map();
    use.hashes.clear();
    use.packs.clear();
    for (const { hash, zero } of noted) {
      if (zero) continue;
      const key = hashKey(hash);
      const place = before.get(key);
      use.hashes.add(key);
      if (place) {
        fresh.set(key, place);
        use.packs.add(place.packId);
      }
    }
  }

  function checkRunning(): void {
    if (ended) throw contentError('ECANCELED', `packing of inode ${ino} has ended`);
  }

  return {
    async add(batch) {
      checkRunning();
      const hashes = Buffer.from(batch.hashes);
      const missing = findMissing(batch, hashes);
      if (missing.length > 0) await append(batch, hashes, missing);
      checkRunning();
      note(batch, hashes);
      if (noted.length >= SEGMENT_CHUNKS) await flush(SEGMENT_CHUNKS);
    },
    async finish() {
      checkRunning();
      await flush(1);
      uses.end(use);
      const recipe = toRecipe(ino, segments);
      const { storedBytes } = await summarize(parts, segments);
      checkRunning();
      built.set(recipe, { recipeId, zeroBytes: zeroBytesOf(recipe) });
      return { recipe, storedBytes, newBytes };
    },
    async abort() {
      ended = true;
      uses.end(use);
      // Where the recipe was committed it is no garbage, and this changes nothing.
      building.delete(recipeId);
    },
  };
}

function toSegment(chunks: NotedChunk[]): Segment {
  return {
    hashes: Buffer.concat(chunks.map(({ hash }) => hash)),
    lengths: Uint32Array.from(chunks, ({ length }) => length),
    zero: Uint8Array.from(chunks, ({ zero }) => (zero ? 1 : 0)),
  };
}

function toRecipe(ino: number, segments: Segment[]): Recipe {
  const count = segments.reduce((sum, { lengths }) => sum + lengths.length, 0);
  const recipe: Recipe = {
    ino,
    size: 0,
    hashes: Buffer.alloc(count * HASH_BYTES),
    lengths: new Uint32Array(count),
    zero: new Uint8Array(count),
  };
  let at = 0;
  for (const { hashes, lengths, zero } of segments) {
    hashes.copy(recipe.hashes, at * HASH_BYTES);
    recipe.lengths.set(lengths, at);
    recipe.zero.set(zero, at);
    at += lengths.length;
  }
  for (const length of recipe.lengths) recipe.size += length;
  return recipe;
}

function zeroBytesOf({ lengths, zero }: Recipe): number {
  let bytes = 0;
  for (let i = 0; i < lengths.length; i++) if (zero[i]) bytes += lengths[i];
  return bytes;
}
