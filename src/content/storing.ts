/**
 * Stores the chunks of one job: looks each one up, appends to the tier's open pack what is not there and what no other
 * job appends, and protects all of it until recipe segments name it.
 */
import type { ChunkBatch, Encoding } from '../native.js';
import type { Tier, VolumeConfig } from '../tiers/types.js';
import type { Place } from './chunk-index.js';
import { contentError } from './errors.js';
import type { ContentParts } from './parts.js';
import { ReadingOrder } from './reading-order.js';
import type { Appended } from './tier-writer.js';
import { hashKey, type Use } from './uses.js';

export interface StoringDeps extends ContentParts {
  chunking?: VolumeConfig['chunking'];
}

/** How a job stores. */
export interface StoringOptions {
  tier: Tier;
  encoding: Encoding;
  /** As in `JumpLimits`. */
  jumpRate: number;
}

/** Records that are durable and in no segment yet, by the name of their chunk. */
export type Durable = ReadonlyMap<string, Place>;

export class Storing {
  /** Bytes appended. */
  newBytes = 0;
  private readonly use: Use;
  private ended = false;
  /** Records appended for chunks that are in no segment yet, by this job or another one, by name. */
  private readonly fresh = new Map<string, Place>();
  /** Those that this job appends or did, and that others may ask for. */
  private readonly claimed = new Set<string>();
  private readonly order: ReadingOrder;

  constructor(
    private readonly deps: StoringDeps,
    private readonly options: StoringOptions,
  ) {
    this.order = new ReadingOrder(deps, options.jumpRate);
    this.use = deps.uses.begin();
  }

  /**
   * Batches are looked up and appended in the order of the calls, also while one is on its way: a chunk of a batch
   * before is taken as stored, so where that one fails the job is to be ended.
   * @returns the names of the chunks
   */
  async store(batch: ChunkBatch): Promise<Buffer[]> {
    this.checkRunning();
    this.checkLengths(batch);
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
    return names;
  }

  /** Makes these chunks durable. What is appended for one of them meanwhile is not part of it. */
  async sync(names: Iterable<Buffer>): Promise<Durable> {
    const durable = new Map<string, Place>();
    for (const name of names) {
      const key = hashKey(name);
      const place = this.fresh.get(key);
      if (place) durable.set(key, place);
    }
    await this.deps.writers.sync(new Set([...durable.values()].map(({ packId }) => packId)));
    return durable;
  }

  /** Counts what a segment names that is written in this turn: all of it, or nothing where that fails. */
  refer(names: readonly Buffer[], durable: Durable): void {
    const { index } = this.deps;
    const referred: Buffer[] = [];
    try {
      for (const name of names) {
        index.refer(name, durable.get(hashKey(name)));
        referred.push(name);
      }
    } catch (error) {
      for (const name of referred) index.release(name, 1);
      throw error;
    }
  }

  /**
   * Segments name these chunks, so they need no protection any more, not even where the job meets them again: its
   * recipe keeps them. Their packs stay in use until it ends, since others of its records may lie there.
   */
  counted(names: Iterable<Buffer>, durable: Durable): void {
    for (const name of names) {
      const key = hashKey(name);
      // It went bad since it was found, and is stored anew: what is durable of that a later segment says.
      if (this.fresh.get(key) !== durable.get(key) || this.isUnderWay(key)) continue;
      this.use.names.delete(key);
      this.fresh.delete(key);
      if (this.claimed.delete(key)) this.deps.appending.forget(key);
    }
  }

  /** Everything is in segments. */
  release(): void {
    this.deps.uses.end(this.use);
    for (const key of this.claimed) this.deps.appending.forget(key);
    this.claimed.clear();
  }

  /** Nothing more is stored: what is under way fails. */
  end(): void {
    this.ended = true;
    this.release();
  }

  /** @throws ECANCELED after `end` */
  checkRunning(): void {
    if (this.ended) throw contentError('ECANCELED', 'the packing job has ended');
  }

  private checkLengths({ lengths }: ChunkBatch): void {
    const { max } = this.deps.chunking ?? { max: Infinity };
    const long = lengths.find((length) => length > max);
    if (long) throw new Error(`a chunk of ${long} bytes is longer than this volume cuts`);
  }

  private isMine(key: string): boolean {
    return this.fresh.has(key) || this.claimed.has(key);
  }

  /** This job is appending it. */
  private isUnderWay(key: string): boolean {
    return this.claimed.has(key) && !this.fresh.has(key);
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
    const { tier, encoding } = this.options;
    const indexes = Uint32Array.from(missing);
    try {
      const appended = await this.deps.writers.append(tier, batch, indexes, encoding, this.use);
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
      // After the job's end another one may have claimed it.
      if (this.claimed.has(key)) this.deps.appending.appended(key, place);
    });
  }

  private giveUpUnless(key: string): void {
    if (this.fresh.has(key) || !this.claimed.delete(key)) return;
    this.deps.appending.forget(key);
  }
}
