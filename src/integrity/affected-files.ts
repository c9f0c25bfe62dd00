/** From damaged chunks to the files that need them: what a person wants to know. */
import { nameAt } from '../content/records.js';
import { hashKey } from '../content/uses.js';
import { nameInode, type CheckDeps, type Problem } from './report.js';
import { walkHeads, walkSegments } from './walks.js';

export interface AffectedFile {
  ino: number;
  problem: Problem;
}

interface Damage {
  chunks: number;
  packs: Set<number>;
}

/** `damaged` has the pack of each damaged chunk by its name as key. */
export async function affectedFiles(
  { store, namespace }: CheckDeps,
  damaged: ReadonlyMap<string, number>,
): Promise<AffectedFile[]> {
  if (damaged.size === 0) return [];
  const recipes = await recipesWith(store, damaged);
  const files: AffectedFile[] = [];
  for await (const { ino, head } of walkHeads(store)) {
    const found = recipes.get(head.recipeId);
    // Nobody needs what is deleted.
    if (!found || namespace.get(ino)?.nlink === 0) continue;
    const what = 'damaged-file';
    const subject = nameInode(namespace, ino);
    const detail = `${found.chunks} of its chunks are damaged, in pack ${[...found.packs].join(', ')}`;
    const repair =
      'write the same content again from a good copy: that heals every file with these chunks';
    files.push({ ino, problem: { what, subject, detail, repair } });
  }
  return files;
}

async function recipesWith(
  store: CheckDeps['store'],
  damaged: ReadonlyMap<string, number>,
): Promise<Map<number, Damage>> {
  const recipes = new Map<number, Damage>();
  for await (const { recipeId, chunks } of walkSegments(store)) {
    for (let i = 0; i < chunks.lengths.length; i++) {
      const pack = damaged.get(hashKey(nameAt(chunks, i)));
      if (chunks.zero[i] || pack === undefined) continue;
      const found = recipes.get(recipeId) ?? { chunks: 0, packs: new Set<number>() };
      found.chunks++;
      found.packs.add(pack);
      recipes.set(recipeId, found);
    }
  }
  return recipes;
}
