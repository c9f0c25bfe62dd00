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
import { hashKey, type Use } from './uses.js';

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
  chunking?: VolumeConfig['chunking'];
}

export class Packing implements PackingJob {
  private readonly use: Use;
  private readonly recipeId: number;
  private ended = false;
  private newBytes = 0;
  /** Chunks that are in no segment yet. */
  private noted: NotedChunk[] = [];
  /** Records appended for them, by hash. */
  private fresh = new Map<string, Place>();
  private readonly segments: Segment[] = [];

  constructor(
    private readonly deps: PackingDeps,
    private readonly ino: number,
    private readonly tier: Tier,
    private readonly level: number,
  ) {
    this.use = deps.uses.begin();
    this.recipeId = deps.recipes.begin();
    deps.building.add(this.recipeId);
  }

  async add(batch: ChunkBatch): Promise<void> {
    this.checkRunning();
    const hashes = Buffer.from(batch.hashes);
    const missing = this.findMissing(batch, hashes);
    if (missing.length > 0) await this.append(batch, hashes, missing);
    this.checkRunning();
    this.note(batch, hashes);
    if (this.noted.length >= SEGMENT_CHUNKS) await this.flush(SEGMENT_CHUNKS);
  }

  async finish(): Promise<{ recipe: Recipe; storedBytes: number; newBytes: number }> {
    this.checkRunning();
    await this.flush(1);
    this.deps.uses.end(this.use);
    const recipe = toRecipe(this.ino, this.segments);
    const { storedBytes } = await summarize(this.deps, this.segments);
    this.checkRunning();
    this.deps.built.set(recipe, { recipeId: this.recipeId, zeroBytes: zeroBytesOf(recipe) });
    return { recipe, storedBytes, newBytes: this.newBytes };
  }

  async abort(): Promise<void> {
    this.ended = true;
    this.deps.uses.end(this.use);
    // Where the recipe was committed it is no garbage, and this changes nothing.
    this.deps.building.delete(this.recipeId);
  }

  /** Protects what it finds: the chunks are in use before anything is awaited. */
  private findMissing(batch: ChunkBatch, hashes: Buffer): number[] {
    const missing = new Map<string, number>();
    for (let i = 0; i < batch.count; i++) {
      if (batch.zero[i]) continue;
      const hash = hashAt(hashes, i);
      const key = hashKey(hash);
      this.use.hashes.add(key);
      if (missing.has(key) || this.fresh.has(key) || this.deps.index.hit(hash)) continue;
      missing.set(key, i);
    }
    return [...missing.values()];
  }

  private async append(batch: ChunkBatch, hashes: Buffer, missing: number[]): Promise<void> {
    const { writers } = this.deps;
    const indexes = Uint32Array.from(missing);
    const { packId, offsets, stored } = await writers.append(
      this.tier,
      batch,
      indexes,
      this.level,
      this.use,
    );
    missing.forEach((chunk, i) => {
      const place = { packId, offset: offsets[i], stored: stored[i], length: batch.lengths[chunk] };
      this.fresh.set(hashKey(hashAt(hashes, chunk)), place);
      this.newBytes += stored[i];
    });
  }

  private note(batch: ChunkBatch, hashes: Buffer): void {
    const { max } = this.deps.chunking ?? { max: Infinity };
    for (let i = 0; i < batch.count; i++) {
      const length = batch.lengths[i];
      if (length > max)
        throw new Error(`a chunk of ${length} bytes is longer than this volume cuts`);
      this.noted.push({ hash: hashAt(hashes, i), length, zero: batch.zero[i] === 1 });
    }
  }

  private async flush(least: number): Promise<void> {
    await this.deps.writers.sync(this.use.packs);
    while (this.noted.length >= least && this.noted.length > 0) {
      this.checkRunning();
      this.writeSegment(this.noted.slice(0, SEGMENT_CHUNKS));
      this.noted = this.noted.slice(SEGMENT_CHUNKS);
      await giveWay();
    }
    this.keepOnlyNoted();
  }

  /** One turn: the segment and the references of its chunks are one transaction. */
  private writeSegment(chunks: NotedChunk[]): void {
    const segment = toSegment(chunks);
    this.deps.recipes.putSegment(this.recipeId, this.segments.length, segment);
    for (const { hash, zero } of chunks) {
      if (!zero) this.deps.index.refer(hash, this.fresh.get(hashKey(hash)));
    }
    this.segments.push(segment);
  }

  /** What is in a segment is counted and needs no protection any more. */
  private keepOnlyNoted(): void {
    const before = this.fresh;
    this.fresh = new Map();
    this.use.hashes.clear();
    this.use.packs.clear();
    for (const { hash, zero } of this.noted) {
      if (zero) continue;
      const key = hashKey(hash);
      const place = before.get(key);
      this.use.hashes.add(key);
      if (!place) continue;
      this.fresh.set(key, place);
      this.use.packs.add(place.packId);
    }
  }

  private checkRunning(): void {
    if (this.ended) throw contentError('ECANCELED', `packing of inode ${this.ino} has ended`);
  }
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
