/**
 * Plans: where the bytes of a packed file lie, for the native half. Looked up in slices; those of inodes are
 * kept for the next open until a chunk moved or went bad.
 *
 * Whoever gets a plan opens it in the same turn of the event loop (right after the `await`): from then on
 * its packs are held, and reclaim may unlink them. Opening is where it is noticed that the file of a pack is gone.
 */
import { existsSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { native, type PackedPlan, type PlanHandle } from '../native.js';
import type { ChunkIndex } from './chunk-index.js';
import { contentError, errnoOf } from './errors.js';
import { HASH_BYTES, PLAN_CACHE_BYTES, PLAN_SLICE_CHUNKS, SEGMENT_CHUNKS } from './limits.js';
import type { Packs } from './packs.js';
import type { ContentParts } from './parts.js';
import { nameAt, type RecipeHead, type Segment } from './records.js';
import { giveWay } from './turns.js';
import type { Recipe } from './types.js';

const BYTES_PER_CHUNK = 20;
/** In place of the number of a pack. */
const ZERO_ROW = -1;
const LOST_ROW = -2;
/** As long as a chunk can be. */
const LOST_ROW_BYTES = 4 << 20;
/** More than any file has but those that are holes nearly throughout: a plan of these takes some 100 MiB. */
const MOST_LOST_ROWS = 4 << 20;
const ATTEMPTS = 5;
/** Looked up in less time than it takes to come back to a request later. */
const CHUNKS_AT_ONCE = 64;

export interface Plans {
  planFor(ino: number): Promise<PackedPlan>;
  planForRecipe(recipe: Recipe): Promise<PackedPlan>;
  open(plan: PackedPlan): PlanHandle;
  openFor(ino: number): Promise<PlanHandle>;
  openAtOnce(ino: number): PlanHandle | undefined;
  openTogether(inos: readonly number[]): Promise<PlanHandle>;
  openLost(size: number): PlanHandle;
  /** The inode has another recipe now, or none. */
  drop(ino: number): void;
}

type PlanParts = Pick<ContentParts, 'index' | 'packs' | 'recipes' | 'volumeId' | 'log'>;

interface KeptPlan {
  plan: PackedPlan;
  recipeId: number;
  epoch: number;
}

export function createPlans(parts: PlanParts): Plans {
  const { index, packs, recipes, log } = parts;
  const kept = new LRUCache<number, KeptPlan>({
    maxSize: PLAN_CACHE_BYTES,
    sizeCalculation: ({ plan }) => 1 + plan.lengths.length * BYTES_PER_CHUNK,
  });

  /** A pack goes away only after its chunks moved, so another look finds them. */
  async function build(count: number, slices: () => Iterable<Segment>): Promise<PackedPlan> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const plan = await buildOnce(parts, count, slices());
      if (packsAreThere(plan)) return plan;
    }
    throw contentError('EIO', 'the packs of a file went away while its plan was made');
  }

  function headOf(ino: number): RecipeHead {
    const head = recipes.head(ino);
    if (!head) throw contentError('ENOENT', `inode ${ino} has no recipe`);
    return head;
  }

  function keptPlan(ino: number, head: RecipeHead): PackedPlan | undefined {
    const known = kept.get(ino);
    if (known?.epoch !== index.epoch || known.recipeId !== head.recipeId) return undefined;
    // A copy of another file's that stood in for one that was away goes with that file, and no chunk of ours moves.
    return packsAreThere(known.plan) ? known.plan : undefined;
  }

  function packsAreThere(plan: PackedPlan): boolean {
    return plan.packIds.every((packId) => isThere(packs, packId));
  }

  function planAtOnce(ino: number): PackedPlan | undefined {
    const head = recipes.head(ino);
    if (!head || head.chunks > CHUNKS_AT_ONCE) return undefined;
    const known = keptPlan(ino, head);
    if (known) return known;
    try {
      const plan = emptyPlan(head.chunks, parts.volumeId);
      Array.from(fill(parts, plan, segmentsOf(recipes, head)));
      if (!packsAreThere(plan)) return undefined;
      kept.set(ino, { plan, recipeId: head.recipeId, epoch: index.epoch });
      return plan;
    } catch {
      return undefined;
    }
  }

  async function planFor(ino: number): Promise<PackedPlan> {
    const head = headOf(ino);
    const known = keptPlan(ino, head);
    if (known) return known;
    const epoch = index.epoch;
    try {
      const plan = await build(head.chunks, () => segmentsOf(recipes, head));
      kept.set(ino, { plan, recipeId: head.recipeId, epoch });
      return plan;
    } catch (error) {
      if (headOf(ino).recipeId === head.recipeId) throw error;
      return planFor(ino);
    }
  }

  /** What can't be opened is looked for elsewhere by whoever makes a plan after this. */
  function open(plan: PackedPlan): PlanHandle {
    try {
      return native.openPlan(plan);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      kept.clear();
      for (const packId of plan.packIds) noteMissing(packId);
      for (const packId of plan.packIds) packs.path(packId);
      return native.openPlan(plan);
    }
  }

  function noteMissing(packId: number): void {
    const tier = packs.readableTier(packId);
    if (!tier || existsSync(packs.path(packId))) return;
    packs.setLost(packId);
    log.error({ pack: packId, tier: tier.name }, 'a pack is lost: its file is not there');
  }

  async function openFor(ino: number): Promise<PlanHandle> {
    try {
      return open(await planFor(ino));
    } catch (error) {
      if (errnoOf(error) !== 'EIO') throw error;
      // Its chunks may lie elsewhere too.
      return open(await planFor(ino));
    }
  }

  function openAtOnce(ino: number): PlanHandle | undefined {
    const plan = planAtOnce(ino);
    try {
      return plan && open(plan);
    } catch {
      return undefined;
    }
  }

  async function openTogether(inos: readonly number[]): Promise<PlanHandle> {
    const heads = inos.map(headOf);
    const count = heads.reduce((sum, { chunks }) => sum + chunks, 0);
    return open(await build(count, () => segmentsTogether(recipes, heads)));
  }

  return {
    planFor,
    openTogether,
    open,
    openFor,
    openAtOnce,
    openLost: (size) => native.openPlan(lostPlan(size, parts.volumeId)),
    planForRecipe: (recipe) => build(recipe.lengths.length, () => slicesOf(recipe)),
    drop: (ino) => void kept.delete(ino),
  };
}

function isThere(packs: Packs, packId: number): boolean {
  const state = packs.get(packId)?.state;
  return state !== undefined && state !== 'doomed';
}

/** The segments of a stored recipe, read one by one as they are asked for. */
export function* segmentsOf(recipes: ContentParts['recipes'], head: RecipeHead): Iterable<Segment> {
  const count = Math.ceil(head.chunks / SEGMENT_CHUNKS);
  for (let segment = 0; segment < count; segment++) yield recipes.segment(head.recipeId, segment);
}

function* segmentsTogether(
  recipes: ContentParts['recipes'],
  heads: readonly RecipeHead[],
): Iterable<Segment> {
  for (const head of heads) yield* segmentsOf(recipes, head);
}

/** Those of many inodes. One that is deleted meanwhile, or lacks a segment, ends where it does. */
export async function* segmentsOfAll(
  recipes: ContentParts['recipes'],
  inos: AsyncIterable<number>,
): AsyncIterable<Segment> {
  for await (const ino of inos) {
    try {
      const head = recipes.head(ino);
      if (head) yield* segmentsOf(recipes, head);
    } catch (error) {
      if (errnoOf(error) !== 'EIO') throw error;
    }
  }
}

function* slicesOf({ hashes, lengths, zero, copies }: Recipe): Iterable<Segment> {
  for (let start = 0; start < lengths.length; start += PLAN_SLICE_CHUNKS) {
    const end = start + PLAN_SLICE_CHUNKS;
    yield {
      hashes: hashes.subarray(start * HASH_BYTES, end * HASH_BYTES),
      lengths: lengths.subarray(start, end),
      zero: zero.subarray(start, end),
      copies: copies.subarray(start, end),
    };
  }
}

async function buildOnce(
  parts: PlanParts,
  count: number,
  slices: Iterable<Segment>,
): Promise<PackedPlan> {
  const plan = emptyPlan(count, parts.volumeId);
  let next = PLAN_SLICE_CHUNKS;
  for (const at of fill(parts, plan, slices)) {
    if (at < next || at === count) continue;
    next = at + PLAN_SLICE_CHUNKS;
    await giveWay();
  }
  return plan;
}

/** Says after each slice how many rows are filled. */
function* fill(
  { index, packs }: PlanParts,
  plan: PackedPlan,
  slices: Iterable<Segment>,
): Iterable<number> {
  const numbers = new Map<number, number>();
  let at = 0;
  for (const slice of slices) {
    for (let i = 0; i < slice.lengths.length; i++, at++) {
      plan.lengths[at] = slice.lengths[i];
      plan.size += slice.lengths[i];
      if (slice.zero[i]) plan.packs[at] = ZERO_ROW;
      else fillRow(plan, at, nameAt(slice, i), index, numberOf);
    }
    yield at;
  }

  /** What a removed tier had is lost, and the rest of the file is not. */
  function numberOf(packId: number): number {
    if (packs.isRemoved(packId)) return LOST_ROW;
    let number = numbers.get(packId);
    if (number === undefined) {
      number = plan.packPaths.push(packs.path(packId)) - 1;
      plan.packIds.push(packId);
      numbers.set(packId, number);
    }
    return number;
  }
}

function emptyPlan(count: number, volumeId: Buffer): PackedPlan {
  return {
    size: 0,
    lengths: new Uint32Array(count),
    packs: new Int32Array(count),
    offsets: new Float64Array(count),
    stored: new Uint32Array(count),
    packPaths: [],
    packIds: [],
    volumeId,
  };
}

/** Of a file of which nothing is left. */
function lostPlan(size: number, volumeId: Buffer): PackedPlan {
  const count = Math.ceil(size / LOST_ROW_BYTES);
  if (count > MOST_LOST_ROWS) throw contentError('EIO', `all of ${size} bytes is lost`);
  const plan = emptyPlan(count, volumeId);
  plan.size = size;
  plan.lengths.fill(LOST_ROW_BYTES);
  plan.lengths[count - 1] = size - (count - 1) * LOST_ROW_BYTES;
  plan.packs.fill(LOST_ROW);
  return plan;
}

function fillRow(
  plan: PackedPlan,
  at: number,
  name: Buffer,
  index: ChunkIndex,
  numberOf: (packId: number) => number,
): void {
  const location = index.source(name);
  if (!location || location.length !== plan.lengths[at]) {
    const why = location ? 'has another length' : 'is not in the index';
    throw contentError('EIO', `chunk ${at} of the file, ${name.toString('hex')}, ${why}`);
  }
  plan.packs[at] = numberOf(location.packId);
  plan.offsets[at] = location.offset;
  plan.stored[at] = location.stored;
}
