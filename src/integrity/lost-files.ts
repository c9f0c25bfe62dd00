/** Which files are lost, whole or in part, if a tier whose disk is gone is given up. Changes nothing. */
import type { Inode, Namespace } from '../namespace/types.js';
import type { Store } from '../store/types.js';
import { isRemoved, type TierSet } from '../tiers/types.js';
import { headOf, lostByRecipe } from './lost-chunks.js';
import { hasPlainCopy, leftByMove, type CutMove } from './plain-copies.js';
import { needsPlain } from './removed-tiers.js';
import { walkEntries, walkInodes } from './walks.js';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export interface LostFile {
  /** Of each of its links, below the mount, as bytes in latin1. */
  paths: string[];
  /** Bytes. */
  size: number;
  /** Of these, bytes that are lost. */
  lost: number;
}

export interface Losses {
  files: LostFile[];
  /** Files and directories that are pinned to the tier. */
  pins: number;
}

export interface SurveyParts {
  store: Store;
  namespace: Namespace;
  /** Those that stay. */
  tiers: TierSet;
}

/** `moves`: those that were cut off. */
export async function lostWithTier(
  parts: SurveyParts,
  tierId: number,
  moves: readonly CutMove[],
): Promise<Losses> {
  const { namespace } = parts;
  const recipes = await lostByRecipe(parts, (tier) => tier === tierId);
  const found = new Map<number, LostFile>();
  let pins = 0;
  for await (const inode of walkInodes(namespace)) {
    if (inode.pin === tierId) pins++;
    if (inode.nlink === 0) continue;
    const lost = lostOf(parts, inode, { tierId, moves, recipes });
    if (lost !== undefined) found.set(inode.ino, { paths: [], size: inode.size, lost });
  }
  await findPaths(namespace, found);
  return { files: [...found.values()], pins };
}

interface Loss {
  tierId: number;
  moves: readonly CutMove[];
  /** Bytes by recipe. */
  recipes: ReadonlyMap<number, number>;
}

/** Bytes; undefined where nothing is lost. 0 for a file that was being written: it may be longer than its record. */
function lostOf(
  { store, tiers }: SurveyParts,
  inode: Inode,
  { tierId, moves, recipes }: Loss,
): number | undefined {
  const { plainTier, packedTier, size } = inode;
  if (plainTier === tierId) {
    if (leftByMove(tiers, inode, moves)) return undefined;
    if (needsPlain(store, inode)) return size;
  } else if (hasPlainCopy(tiers, inode)) return undefined;
  // Of a tier that was given up before, which may not be put in order yet.
  else if (isRemoved(tiers, plainTier) && needsPlain(store, inode)) return undefined;
  const head = packedTier === 0 ? undefined : headOf(store, inode.ino);
  return head && recipes.get(head.recipeId);
}

async function findPaths(namespace: Namespace, files: Map<number, LostFile>): Promise<void> {
  if (files.size === 0) return;
  for await (const { ino, mode } of walkInodes(namespace)) {
    if ((mode & S_IFMT) !== S_IFDIR) continue;
    const directory = namespace.pathOf(ino) ?? '';
    for await (const entry of walkEntries(namespace, ino)) {
      const path = `${directory === '/' ? '' : directory}/${entry.name}`;
      files.get(entry.ino)?.paths.push(path);
    }
  }
}
