/** A bench with a namespace, files in it, and fsck of it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { checkVolume } from '../../src/integrity/fsck.js';
import type { CheckDeps, Problem } from '../../src/integrity/report.js';
import { openNamespace } from '../../src/namespace/namespace.js';
import { ROOT_INO, type Inode, type Namespace } from '../../src/namespace/types.js';
import { buildRecipe, SLOW, type Bench, type PackOptions } from '../content/fixture.js';

const DT_REG = 8;
const DT_DIR = 4;

export interface Volume {
  bench: Bench;
  namespace: Namespace;
  deps: CheckDeps;
}

export function openVolume(bench: Bench): Volume {
  const { store, tiers, content } = bench;
  const namespace = openNamespace(store);
  return { bench, namespace, deps: { store, namespace, tiers, content } };
}

export function addDirectory({ namespace }: Volume, parent: number, name: string): Inode {
  const inode = namespace.create({ mode: 0o040755, uid: 0, gid: 0 });
  namespace.insert(parent, name, inode.ino, DT_DIR);
  Object.assign(inode, { nlink: 2, parent, name });
  namespace.update(inode);
  const above = namespace.get(parent)!;
  above.nlink++;
  namespace.update(above);
  return inode;
}

function addFile({ namespace }: Volume, parent: number, name: string, size: number): Inode {
  const inode = namespace.create({ mode: 0o100644, uid: 1000, gid: 1000 });
  namespace.insert(parent, name, inode.ino, DT_REG);
  Object.assign(inode, { nlink: 1, parent, name, size });
  namespace.update(inode);
  return inode;
}

export function addPlainFile(volume: Volume, name: string, bytes: Buffer): Inode {
  const { tiers } = volume.bench;
  const inode = addFile(volume, ROOT_INO, name, bytes.length);
  const [tier] = tiers.tiers;
  writeFileSync(tiers.backingPath(tier, inode.ino), bytes);
  inode.plainTier = tier.id;
  inode.plainBlocks = Math.ceil(bytes.length / 512);
  tiers.accountPlain(tier, inode.plainBlocks * 512);
  volume.namespace.update(inode);
  return inode;
}

/** Packs and switches as a migration does: recipe and inode in one turn. */
export async function addPackedFile(
  volume: Volume,
  name: string,
  bytes: Buffer,
  options: PackOptions = {},
): Promise<Inode> {
  const inode = addFile(volume, ROOT_INO, name, 0);
  const { recipe, storedBytes } = await buildRecipe(volume.bench, inode.ino, bytes, options);
  volume.bench.content.commitRecipe(recipe);
  inode.size = bytes.length;
  inode.packedTier = options.tier ?? SLOW;
  inode.packedBytes = storedBytes;
  volume.namespace.update(inode);
  await volume.bench.store.commit();
  return inode;
}

export function removeFile({ namespace, bench }: Volume, inode: Inode): void {
  namespace.remove(inode.parent, inode.name);
  bench.content.releaseRecipe(inode.ino);
  namespace.destroy(inode);
}

export async function fsck(volume: Volume, deep = false): Promise<Problem[]> {
  return (await checkVolume(volume.deps, { deep })).problems;
}

export async function assertClean(volume: Volume, deep = false): Promise<void> {
  assert.deepEqual(await fsck(volume, deep), []);
}
