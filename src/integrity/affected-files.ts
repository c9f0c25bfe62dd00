/** From damaged chunks to the files that need them: what a person wants to know. */
import { decodeLocation, nameAt } from '../content/records.js';
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

/** The pack of a damaged chunk by its name, undefined for one that is not. Asked, since there may be more than memory holds. */
export type PackOfDamaged = (name: Buffer) => number | undefined;

/** By the marks in the index. */
export function markedDamaged(store: CheckDeps['store']): PackOfDamaged {
  const chunks = store.table('chunks');
  return (name) => {
    const value = chunks.get(name);
    const location = value && decodeLocation(value);
    return location?.bad ? location.packId : undefined;
  };
}

export async function affectedFiles(
  { store, namespace }: CheckDeps,
  packOf: PackOfDamaged,
): Promise<AffectedFile[]> {
  const recipes = await recipesWith(store, packOf);
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
  packOf: PackOfDamaged,
): Promise<Map<number, Damage>> {
  const recipes = new Map<number, Damage>();
  for await (const { recipeId, chunks } of walkSegments(store)) {
    for (let i = 0; i < chunks.lengths.length; i++) {
      const pack = chunks.zero[i] ? undefined : packOf(nameAt(chunks, i));
      if (pack === undefined) continue;
      const found = recipes.get(recipeId) ?? { chunks: 0, packs: new Set<number>() };
      found.chunks++;
      found.packs.add(pack);
      recipes.set(recipeId, found);
    }
  }
  return recipes;
}
