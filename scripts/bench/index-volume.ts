/**
 * A volume database with generated chunks, written by the store and the chunk index themselves. The n-th chunk is
 * named by the SHA-256 of n, so that nothing has to be remembered to find it again. There are no packs on disk.
 */
import { hash as digest } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createChunkIndex, type ChunkIndex, type Place } from '../../src/content/chunk-index.js';
import { HASH_BYTES, PACK_TARGET_BYTES, SEGMENT_CHUNKS } from '../../src/content/limits.js';
import { Packs } from '../../src/content/packs.js';
import { createRecipes, type Recipes } from '../../src/content/recipes.js';
import { createSavings } from '../../src/content/savings.js';
import { openStore } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';
import { openTierSet } from '../../src/tiers/tier-set.js';
import type { Tier } from '../../src/tiers/types.js';
import { createVolume, readVolume } from '../../src/tiers/volume.js';

/** The average that volumes are cut to. */
export const CHUNK_BYTES = 64 * 1024;
/** That of a chunk that does not shrink. */
const RECORD_BYTES = CHUNK_BYTES + 64;
const CHUNKS_PER_PACK = Math.floor(PACK_TARGET_BYTES / RECORD_BYTES);
/** Chunks that are sorted before they go into the index: with 32 bits of the name their numbers fit into a double. */
const PART_CHUNKS = 2 ** 21;
/** Of these so many in one transaction. */
const CHUNKS_AT_ONCE = 64 * SEGMENT_CHUNKS;

export interface IndexVolume {
  store: Store;
  index: ChunkIndex;
  packs: Packs;
  recipes: Recipes;
  tier: Tier;
}

export async function createIndexVolume(base: string): Promise<void> {
  const path = join(base, 'hdd');
  await mkdir(path);
  await createVolume(join(base, 'volume'), [{ name: 'hdd', path, medium: 'hdd' }]);
}

export function databaseOf(base: string): string {
  return join(base, 'volume', 'namespace', 'data.mdb');
}

export async function openIndexVolume(base: string): Promise<IndexVolume> {
  const log = { info: () => {}, warn: console.error, error: console.error } as never;
  const volume = await readVolume(join(base, 'volume'));
  const store = await openStore(join(base, 'volume', 'namespace'));
  const tiers = await openTierSet({ volume, overrides: {}, missingTier: 'fail', store, log });
  const packs = new Packs(store, tiers);
  const index = createChunkIndex(store, packs, createSavings(store));
  return { store, index, packs, recipes: createRecipes(store), tier: tiers.tiers[0] };
}

/** The name of the n-th chunk. */
export function nameOf(n: number): Buffer {
  return digest('sha256', String(n), 'buffer');
}

/**
 * Writes a number of whole segments. As packing would write them each transaction changes nearly as many pages as it has
 * chunks, some 200 GB in all. So the chunks of a part are put in by the order of their names. Parts are many, so pages
 * come to be as full as those of an index that grew.
 */
export async function fill(volume: IndexVolume, chunks: number): Promise<void> {
  const placeOf = createPlaces(volume);
  for (let first = 0; first < chunks; first += PART_CHUNKS) {
    const count = Math.min(PART_CHUNKS, chunks - first);
    const names = await writeRecipe(volume, first, count);
    for (const [done, i] of sorted(names).entries()) {
      volume.index.refer(names.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), placeOf(first + i));
      if (done % CHUNKS_AT_ONCE === CHUNKS_AT_ONCE - 1) await volume.store.commit();
    }
    await volume.store.commit();
  }
}

/** @returns the names of its chunks */
async function writeRecipe({ recipes, store }: IndexVolume, first: number, count: number) {
  const recipeId = recipes.begin();
  const names = Buffer.alloc(count * HASH_BYTES);
  for (let i = 0; i < count; i++) nameOf(first + i).copy(names, i * HASH_BYTES);
  for (let segment = 0; segment * SEGMENT_CHUNKS < count; segment++) {
    const start = segment * SEGMENT_CHUNKS * HASH_BYTES;
    const hashes = names.subarray(start, start + SEGMENT_CHUNKS * HASH_BYTES);
    recipes.putSegment(recipeId, segment, segmentOf(hashes));
    if (segment % 64 === 63) await store.commit();
  }
  return names;
}

/** Numbers of the names in their order. */
function sorted(names: Buffer): Uint32Array {
  const keys = new Float64Array(names.length / HASH_BYTES);
  for (let i = 0; i < keys.length; i++) {
    keys[i] = names.readUInt32BE(i * HASH_BYTES) * PART_CHUNKS + i;
  }
  return Uint32Array.from(keys.sort(), (key) => key % PART_CHUNKS);
}

function segmentOf(hashes: Buffer) {
  const count = hashes.length / HASH_BYTES;
  const lengths = new Uint32Array(count).fill(CHUNK_BYTES);
  return { hashes, lengths, zero: new Uint8Array(count), copies: new Uint8Array(count) };
}

/** Where the n-th chunk of a run of new ones lies: packs of the usual length, one after the other. */
export function createPlaces({ packs, tier }: IndexVolume): (n: number) => Place {
  const ids = new Map<number, number>();
  const packOf = (number: number): number => {
    const known = ids.get(number);
    if (known !== undefined) return known;
    const { packId } = packs.create(tier);
    packs.resize(packId, PACK_TARGET_BYTES);
    packs.setState(packId, 'sealed');
    ids.set(number, packId);
    return packId;
  };
  return (n) => ({
    packId: packOf(Math.floor(n / CHUNKS_PER_PACK)),
    offset: 8192 + (n % CHUNKS_PER_PACK) * RECORD_BYTES,
    stored: RECORD_BYTES,
    length: CHUNK_BYTES,
  });
}

export function namesFrom(first: number, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => nameOf(first + i));
}

/** What a packing job does when a segment is full. */
export function writeSegment(
  { recipes, index }: IndexVolume,
  recipeId: number,
  segment: number,
  names: Buffer[],
  placeOf: (n: number) => Place,
): void {
  recipes.putSegment(recipeId, segment, segmentOf(Buffer.concat(names)));
  names.forEach((name, i) => index.refer(name, placeOf(segment * SEGMENT_CHUNKS + i)));
}
