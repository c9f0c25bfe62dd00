/**
 * Which copy of each of its chunks a file takes, and which chunks are stored again for it, so that reading the file
 * in order does not scatter over a seeking medium (`jumps.ts` says how many may).
 */
import type { ChunkBatch } from '../native.js';
import { createJumpBound, follows, type JumpBound, type Span } from './jumps.js';
import { SEEK_BYTES } from './limits.js';
import { namesOf } from './names.js';
import type { ContentParts } from './parts.js';
import { hashAt } from './records.js';
import type { ChunkLocation } from './types.js';
import { hashKey } from './uses.js';

/** A copy that can be read. `span` is null on a medium that does not seek. */
interface Option {
  name: Buffer;
  span: Span | null;
}

/** A chunk of a batch that the job did not just store itself. */
interface Chunk {
  number: number;
  bytes: number;
  /** What it is called where it has to be stored as new. */
  name: Buffer;
  /** Copies to be taken; none where it has to be stored. */
  options: Option[];
  /** A name for another copy, where there may be one more. */
  free: Buffer | undefined;
}

type OrderParts = Pick<ContentParts, 'index' | 'packs'>;

/** For one file; asked for its chunks in order. */
export class ReadingOrder {
  private readonly bound: JumpBound;
  /** Names of what was stored again for this file, by hash. */
  private readonly again = new Map<string, Buffer>();
  private last: Span | null = null;

  /** `rate` as in `JumpLimits`: Infinity where every chunk that is there is taken. */
  constructor(
    private readonly parts: OrderParts,
    rate: number,
  ) {
    this.bound = createJumpBound({ seekBytes: SEEK_BYTES.hdd, rate });
  }

  /**
   * The names that the recipe has to give the chunks, and a 1 in `stored` where the index has that copy and it can be
   * relied on; what `isNew` knows, by key, the job itself just stored. All of it holds for this turn.
   */
  names(
    batch: Pick<ChunkBatch, 'count' | 'lengths' | 'zero'>,
    hashes: Buffer,
    isNew: (key: string) => boolean,
  ): { names: Buffer[]; stored: Uint8Array } {
    const stored = new Uint8Array(batch.count);
    const names = Array.from({ length: batch.count }, (_, i) => this.nameNow(hashAt(hashes, i)));
    const chunks: Chunk[] = [];
    for (let i = 0; i < batch.count; i++) {
      // Just written is in order, as far as the page cache reaches.
      if (batch.zero[i] || isNew(hashKey(names[i]))) continue;
      chunks.push(this.lookUp(i, hashAt(hashes, i), batch.lengths[i]));
    }
    const taken = chunks.map((_, i) => this.choose(chunks, i));
    chunks.forEach(({ number, name }, i) => {
      names[number] = taken[i]?.name ?? name;
      stored[number] = taken[i] ? 1 : 0;
    });
    for (const { number, name, free } of this.tooFar(chunks, taken)) {
      names[number] = this.storeAgain(hashAt(hashes, number), free ?? name);
      stored[number] = 0;
    }
    return { names, stored };
  }

  private nameNow(hash: Buffer): Buffer {
    return (this.again.size > 0 && this.again.get(hashKey(hash))) || hash;
  }

  private lookUp(number: number, hash: Buffer, bytes: number): Chunk {
    const copies = this.parts.index.copies(hash);
    const chunk: Chunk = { number, bytes, name: hash, options: [], free: undefined };
    const bad = copies.find(({ location }) => location.bad);
    // Its new bytes heal the files that name it.
    if (bad) return { ...chunk, name: bad.name };
    for (const { name, location, good } of copies) {
      if (good) chunk.options.push({ name, span: this.spanOf(location) });
    }
    if (chunk.options.length > 0) {
      chunk.free = namesOf(hash).find((name) => !copies.some((copy) => copy.name.equals(name)));
    }
    return chunk;
  }

  private spanOf({ packId, offset, stored }: ChunkLocation): Span | null {
    const tier = this.parts.packs.readableTier(packId);
    if (!tier || SEEK_BYTES[tier.medium] === 0) return null;
    return { pack: packId, start: offset, end: offset + stored };
  }

  /** In order if there is such a copy, else without a seek, else the one that most of what comes follows. */
  private choose(chunks: Chunk[], i: number): Option | undefined {
    const { options } = chunks[i];
    const { last } = this;
    const best =
      options.find(({ span }) => last && span && follows(last, span)) ??
      options.find(({ span }) => span === null) ??
      longest(options, ({ span }) => runLength(chunks, i, span));
    if (best?.span) this.last = best.span;
    return best;
  }

  private tooFar(chunks: Chunk[], taken: (Option | undefined)[]): Chunk[] {
    // What lies on a medium that does not seek moves no head.
    const counted = chunks.filter((_, i) => !taken[i] || taken[i].span !== null);
    const spans = taken.filter((option) => option?.span !== null).map((option) => option?.span);
    const pieces = counted.map(({ bytes, free }, i) => ({
      bytes,
      at: spans[i] ?? null,
      mayMove: free !== undefined,
    }));
    return this.bound(pieces).map((piece) => counted[piece]);
  }

  /** The same chunk again in the same batch gets the same name. */
  private storeAgain(hash: Buffer, name: Buffer): Buffer {
    this.again.set(hashKey(hash), name);
    return name;
  }
}

function longest(options: Option[], lengthOf: (option: Option) => number): Option | undefined {
  if (options.length < 2) return options[0];
  const lengths = options.map(lengthOf);
  return options[lengths.indexOf(Math.max(...lengths))];
}

/** How many chunks from here on lie in order, if this one is read there. */
function runLength(chunks: Chunk[], first: number, span: Span | null): number {
  let i = first;
  for (let at = span; at; i++) {
    const from: Span = at;
    at = chunks[i + 1]?.options.find((next) => next.span && follows(from, next.span))?.span ?? null;
  }
  return i - first;
}
