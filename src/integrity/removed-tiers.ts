/**
 * What the namespace has on tiers that the volume has no more: one was given up with its disk (`tier remove --lost`), or was
 * taken out after the copy of the namespace was made that a person has put in place. That is put in order here, once, before
 * anything is written, and no other part has to know of such tiers but for files that are lost (README.md here).
 *
 * 1. Chunks that were in packs there are marked, or stored anew where another copy is good.
 * 2. Files go by what is left of them.
 * 3. Packs and accounts of these tiers are forgotten, in one transaction. A crash before that begins anew.
 */
import { dirname } from 'node:path';
import { rename } from 'node:fs/promises';
import type { Inode } from '../namespace/types.js';
import { native } from '../native.js';
import { commitWhereRoom } from '../store/commit.js';
import { accountedTiers, forgetAccount } from '../tiers/account.js';
import { isRemoved, type TierSet } from '../tiers/types.js';
import { headOf, lostByRecipe } from './lost-chunks.js';
import { hasPlainCopy, leftByMove, type CutMove } from './plain-copies.js';
import { forgetPacked, type RestoredParts } from './restored.js';
import { walkHeads, walkInodes } from './walks.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** `isOlder`: the namespace is an older copy. `moves`: those that were cut off. Durable when it resolves, where there is room. */
export async function giveUpRemovedTiers(
  parts: RestoredParts,
  isOlder: boolean,
  moves: readonly CutMove[],
): Promise<void> {
  const { store, namespace, tiers, content, log } = parts;
  // Mounted for writing, or remounted, it is done; until then what is left of a file is served as it is.
  if (tiers.readOnly) return;
  const known = knownLost(parts);
  const removed = [...accountedTiers(store).keys()].filter((id) => isRemoved(tiers, id));
  const packs = content.packs().filter(({ tier }) => isRemoved(tiers, tier)).length;
  if (removed.length + packs === 0 && !isOlder) return;
  if (packs > 0) await content.loseChunks();
  let lost = 0;
  for await (const { ino } of walkInodes(namespace)) {
    const inode = namespace.get(ino);
    if (inode && (await giveUp(parts, inode, known.has(ino), moves))) lost++;
  }
  if (packs > 0) await dropBrokenForms(parts);
  content.forgetLostPacks();
  for (const id of removed) forgetAccount(store, id);
  await commitWhereRoom(store);
  log.info({ tiers: removed, packs, lost }, 'put in order what was on removed tiers');
}

/** Those that are lost already: what their records said of them before is not there any more. Others are taken off the list. */
function knownLost({ namespace, tiers }: RestoredParts): ReadonlySet<number> {
  const lost = new Set<number>();
  for (const ino of namespace.lost()) {
    const inode = namespace.peek(ino);
    if (inode && inode.nlink > 0 && isRemoved(tiers, inode.plainTier)) lost.add(ino);
    else namespace.removeLost(ino);
  }
  return lost;
}

/** @returns whether the plain file is lost */
async function giveUp(
  parts: RestoredParts,
  before: Inode,
  isKnown: boolean,
  moves: readonly CutMove[],
): Promise<boolean> {
  const { namespace, tiers } = parts;
  const { ino, plainTier, packedTier, pin } = before;
  const isOnIt = !isKnown && isRemoved(tiers, plainTier);
  if (!isOnIt && !isRemoved(tiers, packedTier) && !isRemoved(tiers, pin)) return isKnown;
  const copy = isOnIt ? await takeCopy(tiers, before, moves) : undefined;
  // Who waited gets it again; nobody else changes it, since nothing is written yet.
  const inode = namespace.get(ino) ?? before;
  if (isRemoved(tiers, pin)) inode.pin = 0;
  // Its chunks may be on any tier; where they are lost, what is packed anew goes there.
  if (isRemoved(tiers, packedTier)) inode.packedTier = tiers.tiers[tiers.tiers.length - 1].id;
  // Size, blocks and times are taken from the file like those of one that was being written.
  const taken = { plainTier: copy, plainBlocks: 0, unsettled: true };
  if (copy !== undefined) Object.assign(inode, taken);
  else if (isOnIt) givePlainUp(parts, inode);
  namespace.update(inode);
  return isRemoved(tiers, inode.plainTier);
}

/** In one turn: once that is durable, that it is lost stands on the list, and in its record no more why. */
function givePlainUp(parts: RestoredParts, inode: Inode): void {
  const { store, namespace } = parts;
  if (needsPlain(store, inode)) {
    namespace.addLost(inode.ino);
    forgetPacked(parts, inode);
  } else inode.plainTier = 0;
  inode.plainBlocks = 0;
  inode.unsettled = false;
}

/** Whether a file is lost with its plain form: nothing else has its bytes, and there are some. */
export function needsPlain(store: RestoredParts['store'], inode: Inode): boolean {
  const { mode, nlink, size, packedTier, unsettled, ino } = inode;
  if ((mode & S_IFMT) !== S_IFREG || nlink === 0) return false;
  // What was being written may be longer than its record.
  if (size === 0 && !unsettled) return false;
  return packedTier === 0 || headOf(store, ino)?.size !== size;
}

/** @returns the tier that has the file now; undefined where no move has left it anywhere */
async function takeCopy(
  tiers: TierSet,
  inode: Inode,
  moves: readonly CutMove[],
): Promise<number | undefined> {
  const left = leftByMove(tiers, inode, moves);
  if (left === undefined || inode.nlink === 0) return undefined;
  const place = tiers.backingPath(left.tier, inode.ino);
  if (left.path !== place) {
    await rename(left.path, place);
    await native.syncDirectory(dirname(place));
  }
  return left.tier.id;
}

/** Of files that are plain as well: there is nothing in it that they need. */
async function dropBrokenForms(parts: RestoredParts): Promise<void> {
  const { store, namespace, tiers } = parts;
  const lost = await lostByRecipe(parts, (tier) => tiers.byId(tier) === undefined);
  for await (const { ino, head } of walkHeads(store)) {
    const inode = namespace.get(ino);
    if (!inode || !lost.has(head.recipeId) || !hasPlainCopy(tiers, inode)) continue;
    forgetPacked(parts, inode);
    namespace.update(inode);
  }
}
