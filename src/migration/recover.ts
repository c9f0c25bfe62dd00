/**
 * What a crash left of moves: called once at start, before anything is served. The namespace says
 * what is true; the journal says where else bytes of a file may lie.
 */
import { access, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoName } from '../config/errors.js';
import { native } from '../native.js';
import type { Tier, TierSet } from '../tiers/types.js';
import type { MigrationDeps } from './deps.js';
import { type JobRecord, openJournal } from './journal.js';

export interface JobRecovery {
  /** Moves that were under way. */
  jobs: number;
  /** Of those, records kept because a tier is missing or a file there could not be removed. */
  kept: number;
}

type RecoverDeps = Pick<MigrationDeps, 'store' | 'namespace' | 'tiers' | 'log'>;

/** Removes copies that nothing refers to; finishes a rename that a power cut undid. */
export async function recoverJobs(deps: RecoverDeps): Promise<JobRecovery> {
  const journal = openJournal(deps.store);
  const records = journal.all();
  let kept = 0;
  for (const { key, record } of records) {
    if (await recoverJob(deps, record)) journal.end(key);
    else kept++;
  }
  for (const tier of deps.tiers.tiers) {
    if (isWritable(tier)) await clearIncoming(deps, tier);
  }
  await deps.store.commit();
  if (records.length > 0)
    deps.log.info({ jobs: records.length, kept }, 'recovered interrupted moves');
  return { jobs: records.length, kept };
}

/**
 * @returns false where a tier that it needs is not there, or does not let go of what is to be removed. Tiers that are
 * there are handled at once. @throws where a copy that the namespace relies on can't be put in place: its volume must not
 * start, for what is in `incoming/` goes next
 */
async function recoverJob(deps: RecoverDeps, record: JobRecord): Promise<boolean> {
  const { tiers, namespace } = deps;
  const plainTier = namespace.get(record.ino)?.plainTier;
  let complete = true;
  for (const id of [record.source, record.target]) {
    const tier = tiers.byId(id);
    if (!tier) continue;
    if (!isWritable(tier)) complete = false;
    else if (tier.id === plainTier) await restoreBacking(tiers, tier, record.ino);
    else if (!(await tryRemove(deps, tiers.backingPath(tier, record.ino)))) complete = false;
  }
  return complete;
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

async function clearIncoming(deps: RecoverDeps, tier: Tier): Promise<void> {
  const directory = dirname(deps.tiers.incomingPath(tier, 0));
  for (const name of await readdir(directory)) await tryRemove(deps, `${directory}/${name}`);
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

function isWritable(tier: Tier): boolean {
  return tier.state === 'ok' || tier.state === 'full';
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
