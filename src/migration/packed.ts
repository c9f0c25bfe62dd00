/** Moves whose result is a packed file without a plain copy. */
import { tensorCuts, type ReadBytes } from '../content/tensors.js';
import type { PackingJob, Recipe } from '../content/types.js';
import type { Inode } from '../namespace/types.js';
import type { ChunkBatch, PackedPlan, PlanCheck } from '../native.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { journaled, withSource } from './backing.js';
import { levelFor } from './compression.js';
import { MoveError } from './deps.js';
import {
  checkRoom,
  controlled,
  liveInode,
  type Move,
  type MoveContext,
  type Outcome,
  readableTier,
  settleSource,
  switchWhenClosed,
  writableTarget,
} from './move.js';
import { makePlain } from './plain.js';

/** Read from the source, cut, hash and append about so much at a time. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** A second try heals a damaged chunk among the dedup hits; a third would not say more. */
const PACK_TRIES = 2;

interface Prepared {
  job: PackingJob;
  recipe: Recipe;
  storedBytes: number;
  digest: string;
}

/**
 * Makes the file packed on the move's tier or a slower one where it is already, and drops its plain
 * copy.
 */
export async function makePacked(ctx: MoveContext, move: Move): Promise<Outcome> {
  const inode = liveInode(ctx, move);
  // There is nothing to pack in an empty file.
  if (inode.size === 0) return makePlain(ctx, move);
  const target = await writableTarget(ctx, move);
  if (!isPacked(ctx, inode)) {
    if (inode.plainTier !== 0) return pack(ctx, move, target);
    throw new MoveError('EIO', 'it has neither a plain nor a packed form; run coral-reef fsck');
  }
  const checkedAt = inode.plainTier === 0 ? null : await goodPackedForm(ctx, move);
  if (inode.plainTier !== 0 && checkedAt === null) return pack(ctx, move, target);
  if (rankOf(ctx, inode.packedTier) < rankOf(ctx, target.id)) {
    if ((await relocate(ctx, move, target)) === 'changed') return 'changed';
  }
  return checkedAt === null ? 'done' : dropHotCopy(ctx, move, checkedAt);
}

/** True where the recipe says what the file holds now. */
function isPacked({ deps }: MoveContext, inode: Inode): boolean {
  const { packedTier, digest, unsettled, ino } = inode;
  return packedTier !== 0 && digest !== '' && !unsettled && deps.content.hasRecipe(ino);
}

function rankOf({ deps }: MoveContext, tierId: number): number {
  return deps.tiers.tiers.findIndex((tier) => tier.id === tierId);
}

async function pack(ctx: MoveContext, move: Move, target: Tier): Promise<Outcome> {
  const { activity, content } = ctx.deps;
  const count = await settleSource(ctx, move);
  const { plainTier, size } = liveInode(ctx, move);
  // The wait may have been long.
  if (plainTier === 0 || size === 0) return 'changed';
  const source = readableTier(ctx, plainTier);
  const unchanged = (inode: Inode) =>
    activity.changeCount(move.ino) === count && inode.plainTier === source.id;
  const stillUnchanged = () => unchanged(liveInode(ctx, move));
  return journaled(ctx, move, { ino: move.ino, source: source.id, target: 0 }, async () => {
    const prepared = await packAndCheck(ctx, move, source, target, stillUnchanged);
    if (!prepared) return;
    try {
      await switchWhenClosed(ctx, move, unchanged, (inode) => {
        if (content.hasRecipe(inode.ino)) content.releaseRecipe(inode.ino);
        content.commitRecipe(prepared.recipe);
        inode.packedTier = target.id;
        inode.packedBytes = prepared.storedBytes;
        inode.digest = prepared.digest;
        forgetPlain(ctx, inode, source);
      });
    } finally {
      if (!move.switched) await prepared.job.abort();
    }
  });
}

/**
 * The change count at which the packed form under a plain copy still decodes to what that copy
 * holds, or null. Both were equal when it was packed; packs can rot since, and the plain copy is
 * what would repair them.
 */
async function goodPackedForm(ctx: MoveContext, move: Move): Promise<number | null> {
  const { content, tiers, log } = ctx.deps;
  const count = await settleSource(ctx, move);
  const inode = liveInode(ctx, move);
  if (inode.plainTier === 0 || !isPacked(ctx, inode)) return null;
  const { digest } = inode;
  move.total = 2 * inode.size;
  move.done = 0;
  const path = tiers.backingPath(readableTier(ctx, inode.plainTier), move.ino);
  const plain = await withSource(path, inode, (fd) =>
    controlled(move, (control) => native.digestFile(fd, control)),
  );
  const check = await checkPlanOf(move, await content.planFor(move.ino));
  for (const index of check.bad) content.markBad(move.ino, index);
  const [here, there] = [plain.digest.toString('hex'), check.digest.toString('hex')];
  if (check.bad.length === 0 && here === digest && there === digest) return count;
  log.warn({ ino: move.ino, damaged: check.bad.length }, 'packed form differs; packing it anew');
  return null;
}

/** The packed form was checked: what is left is to stop using the plain one. */
async function dropHotCopy(ctx: MoveContext, move: Move, count: number): Promise<Outcome> {
  const { plainTier, digest } = liveInode(ctx, move);
  if (plainTier === 0) return 'changed';
  const source = readableTier(ctx, plainTier);
  return journaled(ctx, move, { ino: move.ino, source: source.id, target: 0 }, async () => {
    await switchWhenClosed(
      ctx,
      move,
      (inode) =>
        ctx.deps.activity.changeCount(move.ino) === count &&
        inode.plainTier === source.id &&
        inode.digest === digest &&
        isPacked(ctx, inode),
      (inode) => forgetPlain(ctx, inode, source),
    );
  });
}

/** Moves the chunks of a packed file to a slower tier; its plain copy, if it has one, stays. */
async function relocate(ctx: MoveContext, move: Move, target: Tier): Promise<Outcome> {
  const { content, namespace, store } = ctx.deps;
  const { digest, packedTier, size } = liveInode(ctx, move);
  readableTier(ctx, packedTier);
  move.total = Math.max(move.total, size);
  await content.relocate(move.ino, target.id);
  const inode = liveInode(ctx, move);
  if (inode.digest !== digest || inode.packedTier !== packedTier) return 'changed';
  // The serving form stays: open handles keep their plan, whose packs stay readable.
  inode.packedTier = target.id;
  namespace.update(inode);
  await store.commit();
  if (ctx.deps.activity.handles(move.ino).total === 0) {
    ctx.deps.activity.moved(move.ino, 'attributes');
  }
  return 'done';
}

function forgetPlain({ deps }: MoveContext, inode: Inode, source: Tier): void {
  deps.tiers.accountPlain(source, -512 * inode.plainBlocks);
  inode.plainTier = 0;
  inode.plainBlocks = 0;
}

/**
 * Packs until what is read back equals the source. @returns null where the file changed meanwhile.
 */
async function packAndCheck(
  ctx: MoveContext,
  move: Move,
  source: Tier,
  target: Tier,
  unchanged: () => boolean,
): Promise<Prepared | null> {
  for (let tries = 1; ; tries++) {
    const prepared = await packOnce(ctx, move, source, target);
    const { job, recipe, digest } = prepared;
    let good = false;
    try {
      if (!unchanged()) return null;
      const check = await checkPlanOf(move, await ctx.deps.content.planForRecipe(recipe));
      if (!unchanged()) return null;
      good = check.bad.length === 0 && check.digest.toString('hex') === digest;
      if (good) return prepared;
      forgetBad(ctx, recipe, check);
    } finally {
      if (!good) await job.abort();
    }
    if (tries < PACK_TRIES) continue;
    throw new MoveError(
      'EIO',
      `the packed copy on tier ${target.name} reads back wrong; check the disk`,
    );
  }
}

/** The next try stores these anew. Where no chunk is to blame none is trusted. */
function forgetBad(
  { deps }: MoveContext,
  { hashes, lengths, zero }: Recipe,
  check: PlanCheck,
): void {
  const all = Uint32Array.from(lengths, (_, index) => index);
  const suspects = check.bad.length > 0 ? check.bad : all;
  for (const index of suspects) {
    if (!zero[index]) deps.content.markBadHash(hashes.subarray(32 * index, 32 * index + 32));
  }
}

async function packOnce(
  ctx: MoveContext,
  move: Move,
  source: Tier,
  target: Tier,
): Promise<Prepared> {
  const { content, tiers, settings } = ctx.deps;
  const inode = liveInode(ctx, move);
  move.total = 2 * inode.size;
  move.done = 0;
  const job = content.startPacking(move.ino, target.id, levelFor(target, settings));
  try {
    const path = tiers.backingPath(source, move.ino);
    const digest = await withSource(path, inode, (fd) => feed(ctx, move, fd, job, target));
    const { recipe, storedBytes } = await job.finish();
    return { job, recipe, storedBytes, digest: digest.toString('hex') };
  } catch (error) {
    await job.abort();
    throw error;
  }
}

/** Cuts the source into chunks and hands them over. @returns the digest of what was read. */
async function feed(
  ctx: MoveContext,
  move: Move,
  fd: number,
  job: PackingJob,
  target: Tier,
): Promise<Buffer> {
  const { min, average, max } = ctx.deps.chunking;
  const cuts = Float64Array.from(await tensorCuts(readerOf(fd), liveInode(ctx, move).size, min));
  const reader = native.createChunkReader(fd, min, average, max, BATCH_BYTES, cuts);
  try {
    for (let batch = await reader.next(); batch; batch = await reader.next()) {
      await addBatch(job, batch);
      move.done = reader.bytesRead;
      checkRoom(ctx, target, 0);
      liveInode(ctx, move);
    }
    return reader.digest();
  } finally {
    reader.close();
  }
}

function readerOf(fd: number): ReadBytes {
  return (offset, length) => native.read(fd, offset, length);
}

async function addBatch(job: PackingJob, batch: ChunkBatch): Promise<void> {
  try {
    await job.add(batch);
  } finally {
    batch.release();
  }
}

/** Decodes a whole plan, read from the medium. */
async function checkPlanOf(move: Move, packed: PackedPlan): Promise<PlanCheck> {
  const plan = native.openPlan(packed);
  try {
    return await controlled(move, (control) => native.checkPlan(plan, control));
  } finally {
    plan.close();
  }
}
