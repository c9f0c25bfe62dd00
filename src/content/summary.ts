/**
 * What recipes take on disk together: each of their chunks once, and which of them others name too.
 *
 * A chunk that is named once in all is added up as it comes. Any other is noted, until it is known how often these
 * recipes name it. Where there are too many to note, only some parts of all hashes are, and the recipes are gone
 * through again for the other ones. So memory is bounded, whatever there is to sum up.
 */
import { contentError } from './errors.js';
import { CHUNKS_NOTED, HASH_BYTES } from './limits.js';
import type { ContentParts } from './parts.js';
import { nameAt, type Segment } from './records.js';
import { giveWay } from './turns.js';
import type { ChunkLocation, JointSummary } from './types.js';
import { hashKey } from './uses.js';

type SummaryParts = Pick<ContentParts, 'index' | 'packs'>;
/** Gives all of them anew at each call. */
type Segments = () => Iterable<Segment> | AsyncIterable<Segment>;

/** So many parts the hashes are in. A pass takes one at least, however many chunks it has. */
const PARTS = 1024;
/** What reading a head and a segment costs, in look-ups of chunks. */
const LOOKUPS_PER_SEGMENT = 4;
const LOOKUPS_PER_SLICE = 500;

/** In slices. Recipes in the garbage that name a chunk count as well. `noted`: how many chunks to note at a time. */
export async function summarize(
  parts: SummaryParts,
  segments: Segments,
  noted = CHUNKS_NOTED,
): Promise<JointSummary> {
  const sum = new Sum(parts, noted);
  let done = 0;
  const worked = (lookups: number) => {
    done += lookups;
    if (done < LOOKUPS_PER_SLICE) return undefined;
    done = 0;
    return giveWay();
  };
  do {
    for await (const chunks of segments()) {
      sum.see(chunks);
      await worked(chunks.lengths.length + LOOKUPS_PER_SEGMENT);
    }
    for (const count of sum.settle()) await worked(count);
  } while (sum.nextPass());
  return sum.result;
}

/** In one turn, for a file with few chunks. @throws EIO where one is unknown */
export function storedBytesOf(parts: SummaryParts, segments: Iterable<Segment>): number {
  const sum = new Sum(parts, Infinity);
  for (const chunks of segments) sum.see(chunks);
  Array.from(sum.settle());
  return knownWhole(sum.result).storedBytes;
}

/** @throws EIO where the index lacks a chunk */
export function knownWhole(summary: JointSummary): JointSummary {
  const { unknown } = summary;
  if (unknown === null) return summary;
  throw contentError('EIO', `chunk ${unknown.toString('hex')} is not in the index`);
}

/** What is noted of a chunk, and how often it was seen. */
interface Noted extends Pick<ChunkLocation, 'stored' | 'packId' | 'references'> {
  times: number;
}

class Sum {
  readonly result: JointSummary = {
    storedBytes: 0,
    sharedBytes: 0,
    tiers: new Map<number, number>(),
    unknown: null,
  };
  /** By part of the hashes, so that one is let go of in no time. */
  private readonly noted = new Map<number, Map<string, Noted>>();
  private count = 0;
  /** Parts of this pass: from the first one up to before the second. */
  private from = 0;
  private to = PARTS;

  constructor(
    private readonly parts: SummaryParts,
    private readonly limit: number,
  ) {}

  see(chunks: Segment): void {
    for (let i = 0; i < chunks.lengths.length; i++) {
      if (chunks.zero[i]) continue;
      const part = chunks.hashes.readUInt16BE(i * HASH_BYTES) % PARTS;
      // The first pass looks at all: those that are named once are no matter of the others.
      if (part < this.from || (part >= this.to && this.from > 0)) continue;
      this.seeChunk(nameAt(chunks, i), part);
    }
  }

  /** Adds up what was noted, part by part. Says of each how many chunks those were. */
  *settle(): Iterable<number> {
    for (const noted of this.noted.values()) {
      for (const chunk of noted.values()) this.add(chunk, chunk.references > chunk.times);
      yield noted.size;
    }
    this.noted.clear();
    this.count = 0;
  }

  /** @returns false where everything was seen */
  nextPass(): boolean {
    const width = this.to - this.from;
    this.from = this.to;
    this.to = Math.min(PARTS, this.to + width);
    return this.from < PARTS;
  }

  private seeChunk(name: Buffer, part: number): void {
    const key = hashKey(name);
    const known = this.noted.get(part)?.get(key);
    if (known) {
      known.times++;
      return;
    }
    const location = this.parts.index.get(name);
    if (!location) this.result.unknown ??= Buffer.from(name);
    else if (location.references === 1 && this.from === 0) this.add(location, false);
    else if (location.references > 1 && part < this.to) this.note(key, part, location);
  }

  private note(key: string, part: number, { stored, packId, references }: ChunkLocation): void {
    const noted = this.noted.get(part) ?? new Map<string, Noted>();
    this.noted.set(part, noted.set(key, { stored, packId, references, times: 1 }));
    this.count++;
    // What is let go of is left to other passes.
    while (this.count > this.limit && this.to - this.from > 1) {
      this.to--;
      this.count -= this.noted.get(this.to)?.size ?? 0;
      this.noted.delete(this.to);
    }
  }

  private add({ stored, packId }: Pick<Noted, 'stored' | 'packId'>, isShared: boolean): void {
    const { result, parts } = this;
    const tier = parts.packs.get(packId)?.tier ?? 0;
    result.storedBytes += stored;
    if (isShared) result.sharedBytes += stored;
    result.tiers.set(tier, (result.tiers.get(tier) ?? 0) + stored);
  }
}
