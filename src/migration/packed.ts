/** Moves whose result is a packed file without a plain copy. */
import { errnoName } from '../config/errors.js';
import { largestPacked } from '../content/limits.js';
import type { Inode } from '../namespace/types.js';
import { native, type PlanCheck } from '../native.js';
import { lookAtHotCopy } from '../tiers/hot-copy.js';
import type { Tier } from '../tiers/types.js';
import { journaled, withFileOf } from './backing.js';
import { MoveError } from './deps.js';
import {
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
import { packAndCheck, type PackedCopy, type PackingSource } from './packed-copy.js';
import { makePlain } from './plain.js';
import { checkPlan } from './read-back.js';

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
export function isPacked({ deps }: MoveContext, inode: Inode): boolean {
  const { packedTier, digest, unsettled, ino } = inode;
  return packedTier !== 0 && digest !== '' && !unsettled && deps.content.hasRecipe(ino);
}

export function rankOf({ deps }: MoveContext, tierId: number): number {
  return deps.tiers.tiers.findIndex((tier) => tier.id === tierId);
}

async function pack(ctx: MoveContext, move: Move, target: Tier): Promise<Outcome> {
  const { activity } = ctx.deps;
  const count = await settleSource(ctx, move);
  const { plainTier, size } = liveInode(ctx, move);
  // The wait may have been long.
  if (plainTier === 0 || size === 0) return 'changed';
  // It may have grown since policy looked at it.
  if (size > largestPacked(ctx.deps.chunking)) return makePlain(ctx, move);
  const source = readableTier(ctx, plainTier);
  const unchanged = (inode: Inode) =>
    activity.changeCount(move.ino) === count && inode.plainTier === source.id;
  const stillUnchanged = () => unchanged(liveInode(ctx, move));
  return journaled(ctx, move, { ino: move.ino, source: source.id, target: 0 }, async () => {
    const path = ctx.deps.tiers.backingPath(source, move.ino);
    const sizeNow = () => liveInode(ctx, move).size;
    const from: PackingSource = {
      ino: move.ino,
      withFile: (use) => withFileOf(path, sizeNow(), use),
      size: sizeNow,
      progress: move,
    };
    const prepared = await packAndCheck(ctx, from, target, stillUnchanged);
    if (!prepared) return;
    try {
      await switchWhenClosed(ctx, move, unchanged, (inode) => {
        switchToPacked(ctx, inode, { from: source, to: target }, prepared);
      });
    } finally {
      if (!move.switched) await prepared.job.abort();
    }
  });
}

/**
 * The change count at which the packed form under a plain copy is what counts, or null where it has to be packed anew from
 * that copy. Both were equal when it was packed; either can have rotted since. @throws where both did
 */
async function goodPackedForm(ctx: MoveContext, move: Move): Promise<number | null> {
  const { tiers, log } = ctx.deps;
  const { ino } = move;
  const count = await settleSource(ctx, move);
  const inode = liveInode(ctx, move);
  if (inode.plainTier === 0 || !isPacked(ctx, inode)) return null;
  const { digest } = inode;
  move.total = 2 * inode.size;
  move.done = 0;
  const path = tiers.backingPath(readableTier(ctx, inode.plainTier), ino);
  const { state, why } = await lookAtHotCopy(path, inode, (fd) =>
    controlled(move, (control) => native.digestFile(fd, control)),
  );
  const check = await checkPackedForm(ctx, move, state === 'good');
  const isPackedGood = check?.bad.length === 0 && check.digest.toString('hex') === digest;
  if (isPackedGood && state === 'good') return count;
  if (isPackedGood && state === 'rotten') {
    log.error({ ino, path, why }, 'a plain copy is damaged; the packed form takes its place');
    return count;
  }
  if (state === 'rotten') throw new MoveError('EIO', BOTH_DAMAGED);
  if (isPackedGood) throw new MoveError('EIO', WRITTEN);
  log.warn({ ino, damaged: check?.bad.length }, 'packed form differs; packing it anew');
  return null;
}

const BOTH_DAMAGED = 'its plain copy and its packed form are damaged; run coral-reef scrub';
const WRITTEN =
  'its plain copy is not what was packed: it was written past Coral Reef. Both are kept; open it for writing once to ' +
  'have the plain one count';

/**
 * Null where it is lost, or its tier is missing, and the plain copy is good. @throws where neither
 * is: what is lost may come back
 */
async function checkPackedForm(
  ctx: MoveContext,
  move: Move,
  isPlainGood: boolean,
): Promise<PlanCheck | null> {
  const { content, log, tiers } = ctx.deps;
  const { ino } = move;
  try {
    const check = await checkPlan(move, await content.openFor(ino));
    if (check.bad.length > 0) {
      await tiers.refresh();
      readableTier(ctx, liveInode(ctx, move).packedTier);
    }
    for (const index of check.bad) content.markBad(ino, index);
    return check;
  } catch (error) {
    if (errnoName(error) !== 'EIO' || !isPlainGood) throw error;
    log.warn({ ino, err: error }, 'packed form is lost; packing it anew');
    return null;
  }
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
  await controlled(move, (control) => content.relocate(move.ino, target.id, control));
  // A cancel that came too late does not keep it from being recorded.
  const inode = namespace.get(move.ino);
  if (inode?.digest !== digest || inode.packedTier !== packedTier) return 'changed';
  // The serving form stays: open handles keep their plan, whose packs stay readable.
  inode.packedTier = target.id;
  namespace.update(inode);
  await store.commit();
  if (ctx.deps.activity.handles(move.ino).total === 0) {
    ctx.deps.activity.moved(move.ino, 'attributes');
  }
  return 'done';
}

/** Part of the switch: the inode's bytes are those of the recipe from now on. */
export function switchToPacked(
  ctx: MoveContext,
  inode: Inode,
  { from, to }: { from: Tier; to: Tier },
  { recipe, storedBytes, digest }: Pick<PackedCopy, 'recipe' | 'storedBytes' | 'digest'>,
): void {
  const { content } = ctx.deps;
  if (content.hasRecipe(inode.ino)) content.releaseRecipe(inode.ino);
  content.commitRecipe(recipe);
  inode.packedTier = to.id;
  inode.packedBytes = storedBytes;
  inode.digest = digest;
  forgetPlain(ctx, inode, from);
}

/** Part of the switch: only the packed form counts from now on. */
export function forgetPlain({ deps }: MoveContext, inode: Inode, source: Tier): void {
  deps.tiers.accountPlain(source, -512 * inode.plainBlocks);
  inode.plainTier = 0;
  inode.plainBlocks = 0;
}
