/** Recipes: each is whole, is as long as its file, and belongs to one inode or to the garbage. */
import { SEGMENT_CHUNKS } from '../content/limits.js';
import { numberOfKey, type RecipeHead } from '../content/records.js';
import type { Store } from '../store/types.js';
import { nameInode, type CheckDeps, type Findings } from './report.js';
import { walkHeads, walkSegments, walkTable } from './walks.js';

const RESTORE = 'restore the file from a backup';

/** What the segments of a recipe add up to. */
interface Sum {
  segments: number;
  chunks: number;
  bytes: number;
  zeroBytes: number;
}

export async function checkRecipes(deps: CheckDeps, findings: Findings): Promise<void> {
  const sums = await sumSegments(deps.store);
  const owned = new Map<number, number>();
  for await (const { ino, head } of walkHeads(deps.store)) {
    findings.checked.recipes++;
    checkRecipe(deps, ino, head, sums.get(head.recipeId), findings);
    checkOwner(deps, ino, head, owned, findings);
  }
  for await (const { key } of walkTable(deps.store, 'garbage', 500)) owned.set(numberOfKey(key), 0);
  for (const recipeId of sums.keys()) {
    if (owned.has(recipeId)) continue;
    const subject = `recipe ${recipeId}`;
    const detail = 'it is stored, but belongs to no file and is not listed for removal';
    findings.report({
      what: 'lost-recipe',
      subject,
      detail,
      repair: 'none needed: it only takes space',
    });
  }
}

async function sumSegments(store: Store): Promise<Map<number, Sum>> {
  const sums = new Map<number, Sum>();
  for await (const { recipeId, chunks } of walkSegments(store)) {
    const sum = sums.get(recipeId) ?? { segments: 0, chunks: 0, bytes: 0, zeroBytes: 0 };
    sum.segments++;
    sum.chunks += chunks.lengths.length;
    chunks.lengths.forEach((length, i) => {
      sum.bytes += length;
      if (chunks.zero[i]) sum.zeroBytes += length;
    });
    sums.set(recipeId, sum);
  }
  return sums;
}

function checkRecipe(
  { namespace }: CheckDeps,
  ino: number,
  head: RecipeHead,
  sum: Sum = { segments: 0, chunks: 0, bytes: 0, zeroBytes: 0 },
  { report }: Findings,
): void {
  const subject = nameInode(namespace, ino);
  const whole =
    sum.segments === Math.ceil(head.chunks / SEGMENT_CHUNKS) &&
    sum.chunks === head.chunks &&
    sum.bytes === head.size &&
    sum.zeroBytes === head.zeroBytes;
  if (!whole) {
    const detail = `its recipe has ${sum.chunks} chunks with ${sum.bytes} bytes, not ${head.chunks} with ${head.size}`;
    report({ what: 'bad-recipe', subject, detail, repair: RESTORE });
  }
  const inode = namespace.get(ino);
  if (inode && inode.packedTier !== 0 && inode.size !== head.size) {
    const detail = `its recipe has ${head.size} bytes, the file has ${inode.size}`;
    report({ what: 'size', subject, detail, repair: RESTORE });
  }
}

function checkOwner(
  { namespace }: CheckDeps,
  ino: number,
  { recipeId }: RecipeHead,
  owned: Map<number, number>,
  { report }: Findings,
): void {
  const subject = nameInode(namespace, ino);
  const other = owned.get(recipeId);
  if (other !== undefined) {
    const detail = `it shares recipe ${recipeId} with inode ${other}`;
    report({ what: 'shared-recipe', subject, detail, repair: RESTORE });
  }
  owned.set(recipeId, ino);
  if (namespace.get(ino)?.packedTier) return;
  const detail = 'it has a recipe, but is not packed';
  report({ what: 'lost-recipe', subject, detail, repair: 'none needed: it only takes space' });
}
