/** Makes the packed form of a file: cut, stored, and read back from the medium. */
import { errnoName } from '../config/errors.js';
import { nameAt } from '../content/records.js';
import { cuttingOf, type ReadBytes } from '../content/tensors.js';
import type { PackingJob, Recipe } from '../content/types.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { encodingFor } from './compression.js';
import { jumpRateFor } from './fragmentation.js';
import { MoveError } from './deps.js';
import { checkRoom, type MoveContext, type Progress } from './move.js';
import { createReadBack, type ReadBack } from './read-back.js';

/** Read, cut, hashed and appended at a time: with more in each step the data leaves the processor's caches between them. */
const BATCH_BYTES = 2 * 1024 * 1024;
/** A second try heals a damaged chunk among the dedup hits; a third would not say more. */
const PACK_TRIES = 2;

type Needs = Pick<MoveContext, 'deps'>;

/** What is packed: a backing file in a move, or a file outside of the volume. */
export interface PackingSource {
  /** 0 where it is given out later. */
  ino: number;
  /** Opens it for the time of `use`. @throws where it is not `size()` bytes long */
  withFile<T>(use: (fd: number) => Promise<T>): Promise<T>;
  /** Bytes. @throws where it is not worth packing any more */
  size(): number;
  progress: Progress & { total: number };
}

/** A packed form that equals the source as it was read; the caller commits the recipe or aborts the job. */
export interface PackedCopy {
  job: PackingJob;
  recipe: Recipe;
  storedBytes: number;
  /** XXH3-128 of the file, hex. */
  digest: string;
}

interface Attempt extends PackedCopy {
  readBack: { digest: string; bad: Buffer[] };
}

/**
 * Packs until what is read back equals the source. @returns null where the file changed meanwhile.
 * @throws MoveError (EIO) where it reads back wrong again
 */
export async function packAndCheck(
  ctx: Needs,
  source: PackingSource,
  target: Tier,
  unchanged: () => boolean,
): Promise<PackedCopy | null> {
  for (let tries = 1; tries <= PACK_TRIES; tries++) {
    const attempt = await packOnce(ctx, source, target).catch((error: unknown) => {
      // A pack with a chunk that was found among the dedup hits is lost: that is known by now.
      if (tries === PACK_TRIES || errnoName(error) !== 'EIO') throw error;
    });
    if (!attempt) continue;
    const { readBack, ...copy } = attempt;
    let wanted = false;
    try {
      if (!unchanged()) return null;
      wanted = readBack.bad.length === 0 && readBack.digest === copy.digest;
      if (wanted) return copy;
      await forgetBad(ctx, copy.recipe, readBack.bad);
    } finally {
      if (!wanted) await copy.job.abort();
    }
  }
  throw new MoveError(
    'EIO',
    `the packed copy on tier ${target.name} reads back wrong; check the disk`,
  );
}

/** The next try stores these anew. Where no chunk is to blame none is trusted. */
async function forgetBad({ deps }: Needs, recipe: Recipe, bad: Buffer[]): Promise<void> {
  await deps.tiers.refresh();
  for (const name of bad) deps.content.markBadName(name);
  if (bad.length > 0) return;
  recipe.zero.forEach((isZero, i) => {
    if (!isZero) deps.content.markBadName(nameAt(recipe, i));
  });
}

async function packOnce(ctx: Needs, source: PackingSource, target: Tier): Promise<Attempt> {
  const { content, settings } = ctx.deps;
  const { ino, progress } = source;
  const size = source.size();
  progress.total = 2 * size;
  progress.done = 0;
  const job = content.startPacking(
    ino,
    target.id,
    encodingFor(target, settings, size),
    jumpRateFor(target, settings),
  );
  const readBack = createReadBack(content, progress);
  try {
    const feeder = { ctx, source, job, target, readBack };
    const digest = await source.withFile((fd) => feed(feeder, fd));
    const { recipe, storedBytes } = await job.finish();
    await readBack.add(job.takeDurable());
    const copy = { job, recipe, storedBytes, digest: digest.toString('hex') };
    return { ...copy, readBack: await readBack.end() };
  } catch (error) {
    await readBack.stop();
    await job.abort();
    throw error;
  }
}

interface Feeder {
  ctx: Needs;
  source: PackingSource;
  job: PackingJob;
  target: Tier;
  readBack: ReadBack;
}

/** Cuts the source into chunks and hands them over. @returns the digest of what was read. */
async function feed({ ctx, source, job, target, readBack }: Feeder, fd: number): Promise<Buffer> {
  const size = source.size();
  const read: ReadBytes = (offset, length) => native.read(fd, offset, length);
  const { limits, cuts } = await cuttingOf(read, size, ctx.deps.chunking);
  const { min, average, max } = limits;
  // One byte more than there are, so that the first read finds the end.
  const batchBytes = Math.min(BATCH_BYTES, size + 1);
  const ends = Float64Array.from(cuts);
  const reader = native.createChunkReader(fd, min, average, max, batchBytes, ends);
  try {
    for (let batch = await reader.next(); batch; batch = await reader.next()) {
      source.progress.done += batch.lengths.reduce((sum, length) => sum + length, 0);
      await job.add(batch);
      checkRoom(ctx, target, 0);
      source.size();
      await readBack.add(job.takeDurable());
    }
    return reader.digest();
  } finally {
    reader.close();
  }
}
