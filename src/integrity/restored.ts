/**
 * A namespace that is an older copy, put in place by a person after its disk was lost: the backing files are newer. What
 * they hold is right, so the namespace follows them; files that it does not know are left for fsck to name, and their
 * inode numbers are not given out again.
 *
 * Until that is durable the store stays of its earlier generation, so that a crash in the middle begins anew.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ContentStore } from '../content/types.js';
import { giveWay } from '../content/turns.js';
import type { Inode, Namespace } from '../namespace/types.js';
import { native, Stat } from '../native.js';
import type { Log } from '../observe/log.js';
import { generationOf, setGeneration } from '../store/generation.js';
import type { Store } from '../store/types.js';
import { BACKTRACE_XATTR } from '../tiers/backtrace.js';
import { notedGeneration } from '../tiers/generation.js';
import { isRemoved, type Tier, type TierSet } from '../tiers/types.js';
import { copyNamespace, keepCopies } from './namespace-copy.js';
import { isAsRecorded } from './plain-copies.js';
import { walkInodes } from './walks.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const DIRECTORIES = 256;
/** What a tier that is not there may hold: nobody makes so many files. */
const UNSEEN_NUMBERS = 2 ** 32;
const BLOCK = 512;

/** What the tiers have that is newer than the namespace. */
export interface Newer {
  /** The generation that the tiers know of. */
  noted: number;
  /** The tiers that have a backing file of an inode number. */
  files: Map<number, Tier[]>;
  /** Above all numbers that were given out. */
  beginAt: number;
}

/** Undefined where the store is the newest there is, which is nearly always. */
export async function newerThanStore(store: Store, tiers: TierSet): Promise<Newer | undefined> {
  const there = tiers.tiers.filter((tier) => tier.state !== 'missing');
  const noted = Math.max(...(await Promise.all(there.map(({ path }) => notedGeneration(path)))));
  if (noted <= generationOf(store)) return undefined;
  const files = new Map<number, Tier[]>();
  for (const tier of there) await findFiles(tiers, tier, files);
  const unseen = there.length < tiers.tiers.length ? UNSEEN_NUMBERS : 0;
  let highest = 0;
  for (const ino of files.keys()) highest = Math.max(highest, ino);
  return { noted, files, beginAt: highest + 1 + unseen };
}

async function findFiles(tiers: TierSet, tier: Tier, files: Map<number, Tier[]>): Promise<void> {
  for (let low = 0; low < DIRECTORIES; low++) {
    for (const name of await readdir(dirname(tiers.backingPath(tier, low)))) {
      const ino = Number.parseInt(name, 16);
      if (!tiers.backingPath(tier, ino).endsWith(`/${name}`)) continue;
      const others = files.get(ino);
      if (others) others.push(tier);
      else files.set(ino, [tier]);
    }
  }
}

export interface RestoredParts {
  store: Store;
  namespace: Namespace;
  tiers: TierSet;
  content: ContentStore;
  log: Log;
}

/** Before anything is served, and before what a crash left is cleared away. Durable when it resolves. */
export async function followTiers(parts: RestoredParts, newer: Newer): Promise<void> {
  const { store, namespace, tiers, log } = parts;
  keepSpares(parts, newer);
  let followed = 0;
  for await (const { ino } of walkInodes(namespace)) {
    const inode = namespace.get(ino);
    const there = newer.files.get(ino);
    newer.files.delete(ino);
    if (inode && !there) keepRecord(parts, inode);
    else if (inode && there && follow(parts, inode, there)) followed++;
  }
  const unknown = await clearUnknown(parts, newer.files);
  log.warn(
    { followed, unknown },
    'the namespace is older than the files on the tiers; fsck names those that it does not know',
  );
  if (tiers.readOnly) return; // mounted for writing it begins anew
  await keepCopies(tiers);
  setGeneration(store, newer.noted);
  await store.commit();
  await copyNamespace(store, tiers);
}

/** Numbers that the copy notes as those of empty files made ahead may be those of files by now. */
function keepSpares({ namespace, tiers }: RestoredParts, { files }: Newer): void {
  for (const ino of namespace.spares()) {
    if ((files.get(ino) ?? []).some((tier) => statOf(tiers, tier, ino)[Stat.size] > 0)) {
      namespace.removeSpare(ino);
    }
  }
}

/**
 * Its bytes are elsewhere or lost, and must not be taken for some that were never written. On a tier that was removed it is
 * for `giveUpRemovedTiers` to say.
 */
function keepRecord({ namespace, tiers }: RestoredParts, inode: Inode): void {
  if (!inode.unsettled || isRemoved(tiers, inode.plainTier)) return;
  inode.unsettled = false;
  namespace.update(inode);
}

/** @returns whether the inode changed */
function follow(parts: RestoredParts, inode: Inode, there: readonly Tier[]): boolean {
  const { namespace, tiers } = parts;
  if ((inode.mode & S_IFMT) !== S_IFREG || inode.nlink === 0) return false;
  const known = there.find(({ id }) => id === inode.plainTier);
  const tier = known ?? newest(tiers, inode.ino, there);
  const isSame = isAsRecorded(inode, statOf(tiers, tier, inode.ino));
  if (known && isSame) return false;
  if (!isSame) forgetPacked(parts, inode);
  const before = tiers.byId(inode.plainTier);
  if (!known && before) tiers.accountPlain(before, -BLOCK * inode.plainBlocks);
  if (!known) Object.assign(inode, { plainTier: tier.id, plainBlocks: 0 });
  // Size, blocks and times are taken from the file like those of one that was being written.
  inode.unsettled = true;
  namespace.update(inode);
  return true;
}

/** The packed form counts no more, such as of a file that was written since; the caller updates the inode. */
export function forgetPacked({ content }: Pick<RestoredParts, 'content'>, inode: Inode): void {
  if (inode.packedTier === 0) return;
  if (content.hasRecipe(inode.ino)) content.releaseRecipe(inode.ino);
  Object.assign(inode, { packedTier: 0, packedBytes: 0, digest: '' });
}

/** Of several, a move may have left the older one. */
function newest(tiers: TierSet, ino: number, there: readonly Tier[]): Tier {
  const time = (tier: Tier): number => {
    const stat = statOf(tiers, tier, ino);
    return stat[Stat.mtimeSec] + stat[Stat.mtimeNsec] / 1e9;
  };
  return there.reduce((best, tier) => (time(tier) > time(best) ? tier : best));
}

const scratch = new Float64Array(Stat.length);

/** Valid until the next call. */
function statOf(tiers: TierSet, tier: Tier, ino: number): Float64Array {
  native.statPath(tiers.backingPath(tier, ino), scratch);
  return scratch;
}

/**
 * Of the files that the namespace does not know. Empty ones without a backtrace were made ahead for files that never came
 * to be, and go. @returns how many are left
 */
async function clearUnknown({ tiers }: RestoredParts, files: Newer['files']): Promise<number> {
  const unused: string[] = [];
  let left = 0;
  for (const [ino, there] of files) {
    for (const tier of there) {
      const path = tiers.backingPath(tier, ino);
      if (!existsSync(path)) continue;
      const isEmpty = statOf(tiers, tier, ino)[Stat.size] === 0;
      if (isEmpty && !hasBacktrace(path)) unused.push(path);
      else left++;
    }
    if (ino % DIRECTORIES === 0) await giveWay();
  }
  if (!tiers.readOnly) await native.removeFiles(unused);
  return left;
}

/** Where the medium keeps none, no file has one. */
function hasBacktrace(path: string): boolean {
  try {
    return native.getXattr(path, BACKTRACE_XATTR) !== null;
  } catch {
    return false;
  }
}
