/**
 * A packing job: turns the chunks of one file into a recipe.
 *
 * 1. `add` stores the chunks (`storing.ts`).
 * 2. When a segment is full, the packs are synced, and only then the segment is written and its chunks are
 *    counted: no transaction refers to bytes that are not durable. Meanwhile `add` goes on with the next one.
 * 3. The recipe stands in `garbage` until `commitRecipe` puts it under its inode. A crash before that
 *    leaves it there, and reclaim gives its chunks back; a job that is tried again soon finds them.
 */
import { availableParallelism } from 'node:os';
import type { ChunkBatch } from '../native.js';
import { HASH_BYTES, SEGMENT_CHUNKS } from './limits.js';
import { copyOf, hashOf } from './names.js';
import type { ContentParts } from './parts.js';
import type { Segment } from './records.js';
import { Storing, type Durable, type StoringDeps, type StoringOptions } from './storing.js';
import { knownWhole, summarize } from './summary.js';
import type { PackingJob, Recipe } from './types.js';

/** What `commitRecipe` needs beside the recipe. */
export interface BuiltRecipe {
  recipeId: number;
  zeroBytes: number;
}

/** A chunk that a recipe names. */
export interface NotedChunk {
  name: Buffer;
  length: number;
  zero: boolean;
}

export interface PackingDeps extends StoringDeps {
  built: WeakMap<Recipe, BuiltRecipe>;
}

/** Batches on their way at most: one is written while others are compressed. On two processors a third gained nothing. */
const ADDING = Math.min(8, Math.max(2, availableParallelism() >> 1));

export class Packing implements PackingJob {
  private readonly storing: Storing;
  private readonly recipeId: number;
  /** Chunks that are in no segment yet. */
  private readonly noted: NotedChunk[] = [];
  private readonly segments: Segment[] = [];
  /** The last batch on its way; it ends after those before it. */
  private adding = Promise.resolve();
  /** Those on their way, the oldest first. */
  private readonly added = Array.from({ length: ADDING - 1 }, () => Promise.resolve());
  /** The segment on its way. */
  private flushing = Promise.resolve();
  /** Segments that `takeDurable` gave away. */
  private taken = 0;

  constructor(
    private readonly deps: PackingDeps,
    private readonly ino: number,
    options: StoringOptions,
  ) {
    this.storing = new Storing(deps, options);
    this.recipeId = deps.recipes.begin();
    deps.building.add(this.recipeId);
  }

  add(batch: ChunkBatch): Promise<void> {
    this.adding = this.addAfter(this.adding, batch);
    // Whoever adds a later one, or finishes, gets the error.
    this.adding.catch(() => {});
    this.added.push(this.adding);
    return this.added.shift()!;
  }

  private async addAfter(before: Promise<void>, batch: ChunkBatch): Promise<void> {
    try {
      // At once: it is looked up and compressed while the one before is written.
      const [names] = await Promise.all([this.storing.store(batch), before]);
      for (const chunk of chunksOf(batch, names)) this.noted.push(chunk);
    } finally {
      batch.release();
    }
    while (this.noted.length >= SEGMENT_CHUNKS) await this.beginFlush();
  }

  takeDurable(): Recipe | null {
    const part = this.segments.slice(this.taken);
    this.taken = this.segments.length;
    return part.length > 0 ? toRecipe(this.ino, part) : null;
  }

  async finish(): Promise<{ recipe: Recipe; storedBytes: number; newBytes: number }> {
    await this.adding;
    this.storing.checkRunning();
    while (this.noted.length > 0) await this.beginFlush();
    await this.flushing;
    this.storing.release();
    const recipe = toRecipe(this.ino, this.segments);
    const { storedBytes } = knownWhole(await summarize(this.deps, () => this.segments));
    this.storing.checkRunning();
    this.deps.built.set(recipe, { recipeId: this.recipeId, zeroBytes: zeroBytesOf(recipe) });
    return { recipe, storedBytes, newBytes: this.storing.newBytes };
  }

  async abort(): Promise<void> {
    this.storing.end();
    // Where the recipe was committed it is no garbage, and this changes nothing.
    this.deps.building.delete(this.recipeId);
  }

  /** One segment at a time, in order. @throws what the one before failed with */
  private async beginFlush(): Promise<void> {
    await this.flushing;
    this.flushing = this.flush(this.noted.splice(0, SEGMENT_CHUNKS));
    // Whoever begins the next one, or finishes, gets the error.
    this.flushing.catch(() => {});
  }

  private async flush(chunks: NotedChunk[]): Promise<void> {
    const names = namesOfData(chunks);
    const durable = await this.storing.sync(names);
    this.storing.checkRunning();
    const { deps, storing, recipeId, segments } = this;
    const at = { recipeId, number: segments.length };
    segments.push(writeSegment(deps, storing, at, chunks, durable));
    this.storing.counted(names, durable);
  }
}

export function chunksOf({ lengths, zero }: ChunkBatch, names: Buffer[]): NotedChunk[] {
  return names.map((name, i) => ({ name, length: lengths[i], zero: zero[i] === 1 }));
}

/** Zeros are stored nowhere. */
export function namesOfData(chunks: NotedChunk[]): Buffer[] {
  return chunks.filter(({ zero }) => !zero).map(({ name }) => name);
}

/** One turn: the segment and the references of its chunks are one transaction. */
export function writeSegment(
  { recipes }: Pick<ContentParts, 'recipes'>,
  storing: Storing,
  { recipeId, number }: { recipeId: number; number: number },
  chunks: NotedChunk[],
  durable: Durable,
): Segment {
  const segment = toSegment(chunks);
  storing.refer(namesOfData(chunks), durable);
  recipes.putSegment(recipeId, number, segment);
  return segment;
}

function toSegment(chunks: NotedChunk[]): Segment {
  return {
    hashes: Buffer.concat(chunks.map(({ name }) => hashOf(name))),
    lengths: Uint32Array.from(chunks, ({ length }) => length),
    zero: Uint8Array.from(chunks, ({ zero }) => (zero ? 1 : 0)),
    copies: Uint8Array.from(chunks, ({ name }) => copyOf(name)),
  };
}

export function toRecipe(ino: number, segments: Segment[]): Recipe {
  const count = segments.reduce((sum, { lengths }) => sum + lengths.length, 0);
  const recipe: Recipe = {
    ino,
    size: 0,
    hashes: Buffer.alloc(count * HASH_BYTES),
    lengths: new Uint32Array(count),
    zero: new Uint8Array(count),
    copies: new Uint8Array(count),
  };
  let at = 0;
  for (const { hashes, lengths, zero, copies } of segments) {
    hashes.copy(recipe.hashes, at * HASH_BYTES);
    recipe.lengths.set(lengths, at);
    recipe.zero.set(zero, at);
    recipe.copies.set(copies, at);
    at += lengths.length;
  }
  for (const length of recipe.lengths) recipe.size += length;
  return recipe;
}

export function zeroBytesOf({ lengths, zero }: Recipe): number {
  let bytes = 0;
  for (let i = 0; i < lengths.length; i++) if (zero[i]) bytes += lengths[i];
  return bytes;
}
