/**
 * What a crash left of moves: called once at start, before anything is served. The namespace says
 * what is true; the journal says where else bytes of a file may lie.
 */
import { access, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { errnoName } from '../config/errors.js';
import type { Inode } from '../namespace/types.js';
import { native } from '../native.js';
import { commitWhereRoom } from '../store/commit.js';
import { releasedPath } from '../tiers/tier-set.js';
import { isWritable, type Tier, type TierSet } from '../tiers/types.js';
import type { MigrationDeps } from './deps.js';
import { type JobRecord, openJournal } from './journal.js';

export interface JobRecovery {
  /** Moves that were under way. */
  jobs: number;
  /**
   * Of those, records kept because a tier is missing, a file there could not be removed, or the copy that the
   * namespace relies on is not there.
   */
  kept: number;
}

type RecoverDeps = Pick<MigrationDeps, 'store' | 'namespace' | 'tiers' | 'log'>;

/** Removes copies that nothing refers to, where the one that counts is there; finishes a rename that a power cut undid. */
export async function recoverJobs(deps: RecoverDeps): Promise<JobRecovery> {
  const journal = openJournal(deps.store);
  const records = journal.all();
  const kept = new Set<number>();
  for (const { key, record } of records) {
    if (await recoverJob(deps, record)) journal.end(key);
    else kept.add(record.ino);
  }
  for (const tier of deps.tiers.tiers) {
    if (isWritable(tier)) await clearIncoming(deps, tier, kept);
  }
  await commitWhereRoom(deps.store);
  const result = { jobs: records.length, kept: journal.all().length };
  if (records.length > 0) deps.log.info(result, 'recovered interrupted moves');
  return result;
}

/**
 * @returns false where a tier that it needs is not there, or does not let go of what is to be removed, or where this may
 * be the last copy. @throws where a copy that the namespace relies on can't be put in place: its volume must not start
 */
async function recoverJob(deps: RecoverDeps, record: JobRecord): Promise<boolean> {
  const { tiers, namespace, log } = deps;
  const inode = namespace.get(record.ino);
  const involved = [record.source, record.target].flatMap((id) => tiers.byId(id) ?? []);
  const writable = involved.filter(isWritable);
  const place = writable.find((tier) => tier.id === inode?.plainTier);
  if (place) await restoreBacking(tiers, place, record.ino);
  if (inode && !(await isInPlace(tiers, inode))) {
    log.warn({ ino: record.ino }, 'a moved file is not where it should be; its other copies stay');
    return false;
  }
  let complete = writable.length === involved.length;
  for (const tier of writable) {
    if (tier === place) continue;
    if (!(await tryRemove(deps, tiers.backingPath(tier, record.ino)))) complete = false;
  }
  return complete;
}

/** Whether the bytes that the namespace relies on are there, as far as it shows without reading them. */
async function isInPlace(tiers: TierSet, inode: Inode): Promise<boolean> {
  const { ino, size, plainTier, packedTier } = inode;
  if (plainTier === 0 && packedTier === 0) return size === 0;
  const tier = tiers.byId(plainTier || packedTier);
  if (!tier || tier.state === 'missing') return false;
  // What can't be looked at is not lost, but nothing else may go for it.
  return plainTier === 0 || isThere(tiers.backingPath(tier, ino)).catch(() => false);
}

/**
 * The namespace says that the file is here. Its rename into place was not yet durable when the
 * power went: the verified copy is still where it was built.
 */
async function restoreBacking(tiers: TierSet, tier: Tier, ino: number): Promise<void> {
  const backing = tiers.backingPath(tier, ino);
  const incoming = tiers.incomingPath(tier, ino);
  if ((await isThere(backing)) || !(await isThere(incoming))) return;
  await rename(incoming, backing);
  await native.syncDirectory(dirname(backing));
}

/** An old copy that was set aside stays with the record of its move. */
async function clearIncoming(
  deps: RecoverDeps,
  tier: Tier,
  kept: ReadonlySet<number>,
): Promise<void> {
  const released = new Set(
    Array.from(kept, (ino) => basename(releasedPath(deps.tiers, tier, ino))),
  );
  const directory = dirname(deps.tiers.incomingPath(tier, 0));
  for (const name of await readdir(directory)) {
    if (!released.has(name)) await tryRemove(deps, `${directory}/${name}`);
  }
}

/** What can't be removed takes space, and that is no reason to refuse the volume. */
async function tryRemove({ log }: RecoverDeps, path: string): Promise<boolean> {
  try {
    await rm(path, { force: true });
    return true;
  } catch (error) {
    log.warn({ path, err: error }, 'what a move left could not be removed');
    return false;
  }
}

/** @throws where that can't be told: what is not seen must not be taken for lost, nor removed. */
async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return false;
    throw error;
  }
}
