/**
 * A packing job: turns the chunks of one file into a recipe.
 *
 * 1. `add` looks each chunk up; what is not there, and no other job appends, is appended to the tier's open pack.
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
import { copyOf, hashOf } from './names.js';
import type { ContentParts } from './parts.js';
import { ReadingOrder } from './reading-order.js';
import type { Segment } from './records.js';
import { summarize } from './summary.js';
import { giveWay } from './turns.js';
import type { PackingJob, Recipe } from './types.js';
import type { Appended } from './tier-writer.js';
import { hashKey, type Use } from './uses.js';

/** What `commitRecipe` needs beside the recipe. */
export interface BuiltRecipe {
  recipeId: number;
  zeroBytes: number;
}

interface NotedChunk {
  name: Buffer;
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
  /** Records appended for them, by this job or another one, by name. */
  private fresh = new Map<string, Place>();
  /** Those that this job appends or did, and that others may ask for. */
  private readonly claimed = new Set<string>();
  private readonly segments: Segment[] = [];
  /** Segments that `takeDurable` gave away. */
  private taken = 0;
  private readonly order: ReadingOrder;

  constructor(
    private readonly deps: PackingDeps,
    private readonly ino: number,
    private readonly tier: Tier,
    private readonly level: number,
    jumpRate: number,
  ) {
    this.order = new ReadingOrder(deps, jumpRate);
    this.use = deps.uses.begin();
    this.recipeId = deps.recipes.begin();
    deps.building.add(this.recipeId);
  }

  async add(batch: ChunkBatch): Promise<void> {
    this.checkRunning();
    const hashes = Buffer.from(batch.hashes);
    const { names, stored } = this.order.names(batch, hashes, (key) => this.isMine(key));
    let left = Array.from({ length: batch.count }, (_, i) => i).filter((i) => !batch.zero[i]);
    let isStored = (i: number): boolean => stored[i] === 1;
    while (left.length > 0) {
      const { missing, others } = this.find(names, left, isStored);
      // What was looked up holds for that turn.
      isStored = (i) => this.deps.index.hit(names[i]) !== undefined;
      // Its own first: two jobs that wait for each other would wait for ever.
      if (missing.length > 0) await this.append(batch, names, missing);
      left = await this.waitForOthers(names, others);
      this.checkRunning();
    }
    this.note(batch, names);
    if (this.noted.length >= SEGMENT_CHUNKS) await this.flush(SEGMENT_CHUNKS);
  }

  takeDurable(): Recipe | null {
    const part = this.segments.slice(this.taken);
    this.taken = this.segments.length;
    return part.length > 0 ? toRecipe(this.ino, part) : null;
  }

  async finish(): Promise<{ recipe: Recipe; storedBytes: number; newBytes: number }> {
    this.checkRunning();
    await this.flush(1);
    this.endUse();
    const recipe = toRecipe(this.ino, this.segments);
    const { storedBytes } = await summarize(this.deps, this.segments);
    this.checkRunning();
    this.deps.built.set(recipe, { recipeId: this.recipeId, zeroBytes: zeroBytesOf(recipe) });
    return { recipe, storedBytes, newBytes: this.newBytes };
  }

  async abort(): Promise<void> {
    this.ended = true;
    this.endUse();
    // Where the recipe was committed it is no garbage, and this changes nothing.
    this.deps.building.delete(this.recipeId);
  }

  private isMine(key: string): boolean {
    return this.fresh.has(key) || this.claimed.has(key);
  }

  private endUse(): void {
    this.deps.uses.end(this.use);
    for (const key of this.claimed) this.deps.appending.forget(key);
    this.claimed.clear();
  }

  /**
   * Which of the chunks are stored nowhere, each once, and which are being appended by other jobs. Protects what it
   * finds: the chunks are in use before anything is awaited.
   */
  private find(
    names: Buffer[],
    chunks: number[],
    isStored: (i: number) => boolean,
  ): { missing: number[]; others: number[] } {
    const { appending } = this.deps;
    const missing: number[] = [];
    const others: number[] = [];
    for (const i of chunks) {
      const key = hashKey(names[i]);
      this.use.names.add(key);
      if (this.isMine(key) || isStored(i)) continue;
      const found = appending.find(key);
      if (Array.isArray(found)) {
        others.push(i);
      } else if (found) {
        this.take(key, found);
      } else {
        appending.claim(key);
        this.claimed.add(key);
        missing.push(i);
      }
    }
    return { missing, others };
  }

  /** Relies on a record, in the turn in which whoever appended it still does. */
  private take(key: string, place: Place): void {
    this.fresh.set(key, place);
    this.use.packs.add(place.packId);
  }

  /** @returns the chunks whose append failed there */
  private async waitForOthers(names: Buffer[], chunks: number[]): Promise<number[]> {
    const got = await Promise.all(chunks.map((i) => this.waitFor(hashKey(names[i]))));
    return chunks.filter((_, i) => !got[i]);
  }

  private waitFor(key: string): Promise<boolean> {
    const found = this.deps.appending.find(key);
    // It ended meanwhile: found in the index, or to be looked for again.
    if (!Array.isArray(found)) return Promise.resolve(false);
    return new Promise((resolve) => {
      found.push((place) => {
        if (place && !this.ended) this.take(key, place);
        resolve(place !== undefined);
      });
    });
  }

  private async append(batch: ChunkBatch, names: Buffer[], missing: number[]): Promise<void> {
    const { writers } = this.deps;
    const indexes = Uint32Array.from(missing);
    try {
      const appended = await writers.append(this.tier, batch, indexes, this.level, this.use);
      this.noteAppended(batch, names, missing, appended);
    } finally {
      // Where it failed; an append that the job did not wait for may also end after it.
      for (const chunk of missing) this.giveUpUnless(hashKey(names[chunk]));
    }
  }

  private noteAppended(
    batch: ChunkBatch,
    names: Buffer[],
    missing: number[],
    { packId, offsets, stored }: Appended,
  ): void {
    missing.forEach((chunk, i) => {
      const place = { packId, offset: offsets[i], stored: stored[i], length: batch.lengths[chunk] };
      const key = hashKey(names[chunk]);
      this.fresh.set(key, place);
      this.newBytes += stored[i];
      if (!this.ended) this.deps.appending.appended(key, place);
    });
  }

  private giveUpUnless(key: string): void {
    // After the job's end another one may have claimed it.
    if (this.fresh.has(key) || !this.claimed.delete(key)) return;
    this.deps.appending.forget(key);
  }

  private note(batch: ChunkBatch, names: Buffer[]): void {
    const { max } = this.deps.chunking ?? { max: Infinity };
    for (let i = 0; i < batch.count; i++) {
      const length = batch.lengths[i];
      if (length > max)
        throw new Error(`a chunk of ${length} bytes is longer than this volume cuts`);
      this.noted.push({ name: names[i], length, zero: batch.zero[i] === 1 });
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
    for (const { name, zero } of chunks) {
      if (!zero) this.deps.index.refer(name, this.fresh.get(hashKey(name)));
    }
    this.segments.push(segment);
  }

  /** What is in a segment is counted and needs no protection any more. */
  private keepOnlyNoted(): void {
    const before = this.fresh;
    this.fresh = new Map();
    this.use.names.clear();
    this.use.packs.clear();
    for (const { name, zero } of this.noted) {
      if (zero) continue;
      const key = hashKey(name);
      const place = before.get(key);
      this.use.names.add(key);
      if (!place) continue;
      this.take(key, place);
    }
    for (const key of this.claimed) {
      if (this.fresh.has(key)) continue;
      this.claimed.delete(key);
      this.deps.appending.forget(key);
    }
  }

  private checkRunning(): void {
    if (this.ended) throw contentError('ECANCELED', `packing of inode ${this.ino} has ended`);
  }
}

function toSegment(chunks: NotedChunk[]): Segment {
  return {
    hashes: Buffer.concat(chunks.map(({ name }) => hashOf(name))),
    lengths: Uint32Array.from(chunks, ({ length }) => length),
    zero: Uint8Array.from(chunks, ({ zero }) => (zero ? 1 : 0)),
    copies: Uint8Array.from(chunks, ({ name }) => copyOf(name)),
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

function zeroBytesOf({ lengths, zero }: Recipe): number {
  let bytes = 0;
  for (let i = 0; i < lengths.length; i++) if (zero[i]) bytes += lengths[i];
  return bytes;
}
