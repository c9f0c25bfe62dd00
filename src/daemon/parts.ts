/**
 * The object graph of one mounted volume, except for the kernel's side of it.
 *
 * Opened in this order, closed in reverse:
 * 1. the volume's lock, so that nobody else writes; then tiers that are late are waited for
 * 2. the store (LMDB)
 * 3. the tiers, checked by their markers
 * 4. the namespace
 * 5. the content store, which repairs the packs that a crash left open; then what was on tiers that the volume has no
 *    more is put in order
 * 6. the filesystem
 * 7. migration, after the moves that a crash cut off are cleaned up
 * 8. what a crash left in the filesystem: orphans, unsettled files
 */
import { join } from 'node:path';
import { CoralError, ExitCode } from '../config/errors.js';
import type { Settings } from '../config/types.js';
import { openContentStore } from '../content/content-store.js';
import { largestPacked } from '../content/limits.js';
import type { ContentStore, ReclaimReport } from '../content/types.js';
import { createFilesystem, type Filesystem } from '../filesystem/filesystem.js';
import { copyNamespace } from '../integrity/namespace-copy.js';
import { giveUpRemovedTiers } from '../integrity/removed-tiers.js';
import { followTiers, newerThanStore } from '../integrity/restored.js';
import { cutMoves } from '../migration/journal.js';
import { createMigration, type RunningMigration } from '../migration/migration.js';
import { recoverJobs } from '../migration/recover.js';
import { openNamespace } from '../namespace/namespace.js';
import type { Namespace } from '../namespace/types.js';
import { native } from '../native.js';
import type { Log } from '../observe/log.js';
import { compileRules, type RuleSet } from '../policy/rules.js';
import { setCleanMark, takeCleanMark } from '../store/clean-mark.js';
import { openStore } from '../store/store.js';
import type { Store } from '../store/types.js';
import { configuredTiers, openTierSet } from '../tiers/tier-set.js';
import type { TierSet } from '../tiers/types.js';
import { beginGeneration } from './generation.js';
import { lockVolume } from './lock.js';
import { namespaceWayOut, refuseWithoutNamespace } from './lost-namespace.js';
import { refuseIfChanged, type MountPlan } from './preflight.js';
import type { Teardown } from './teardown.js';

export interface Parts {
  plan: MountPlan;
  store: Store;
  tiers: TierSet;
  namespace: Namespace;
  content: ContentStore;
  filesystem: Filesystem;
  migration: RunningMigration;
  rules: RuleSet;
  log: Log;
}

/** What a check of a volume that is not mounted needs as well. */
export type VolumeParts = Pick<Parts, 'plan' | 'store' | 'tiers' | 'namespace' | 'content' | 'log'>;

/** Steps 1 to 5. @throws CoralError; what was opened is in `teardown` */
export async function openVolume(
  plan: MountPlan,
  mountpoint: string | null,
  log: Log,
  teardown: Teardown,
  tiersArrive: () => Promise<void> = async () => undefined,
): Promise<VolumeParts> {
  const lock = await lockVolume(plan.directory, mountpoint);
  teardown.add('unlock the volume', () => lock.release());
  await refuseIfChanged(plan);
  await tiersArrive();
  const store = await openVolumeStore(plan);
  teardown.add('close the store', () => store.close());
  const tiers = await openTierSet({
    volume: plan.volume,
    overrides: plan.settings.tierDirectories,
    missingTier: plan.settings.missingTier,
    readOnly: plan.settings.mount.readOnly,
    store,
    log,
  });
  const newer = await newerThanStore(store, tiers);
  const namespace = openNamespace(store, newer?.beginAt);
  teardown.add('make everything durable', () => makeDurable({ plan, store, tiers, log }));
  const opened = openContentStore({
    store,
    tiers,
    volumeId: plan.volume.id,
    chunking: plan.volume.chunking,
    log,
  });
  await opened.recover(newer !== undefined);
  teardown.add('close the content store', () => opened.close());
  const content = { ...opened, heal: healWhereAllowed(plan.settings, opened) };
  const restored = { store, namespace, tiers, content, log };
  if (newer) await followTiers(restored, newer);
  await giveUpRemovedTiers(restored, newer !== undefined, cutMoves(store));
  await beginGeneration(store, tiers, log);
  return { plan, store, tiers, namespace, content, log };
}

/** All steps. @throws CoralError; what was opened is in `teardown` */
export async function openParts(
  plan: MountPlan,
  log: Log,
  teardown: Teardown,
  tiersArrive: () => Promise<void>,
): Promise<Parts> {
  const opened = await openVolume(plan, plan.mountpoint, log, teardown, tiersArrive);
  const { namespace, content, tiers, store } = opened;
  const { settings, volume } = plan;
  const rules = compileRules(
    settings,
    volume.tiers.map((tier) => tier.name),
    largestPacked(volume.chunking),
  );
  const filesystem = createFilesystem({
    namespace,
    content,
    tiers,
    settings,
    log,
  });
  teardown.add('settle open files', () => filesystem.close());
  await recoverJobs({ store, namespace, tiers, log });
  const migration = createMigration({
    namespace,
    content: { ...content, reclaim: () => reclaimWhereAllowed(settings, content) },
    tiers,
    store,
    activity: filesystem.activity,
    rules,
    settings,
    chunking: volume.chunking,
    log,
  });
  // What a person asks for is refused as well; see mustBeWritable.
  if (settings.mount.readOnly) migration.pause();
  filesystem.setMigration(migration);
  teardown.add('stop migration', () => migration.close());
  await filesystem.recover(await takeCleanMark(store));
  if (!settings.mount.readOnly) teardown.add('mark a clean end', () => setCleanMark(store));
  return { ...opened, filesystem, migration, rules };
}

const NOTHING: ReclaimReport = {
  recipes: 0,
  chunksRemoved: 0,
  packsRemoved: 0,
  packsCompacted: 0,
  bytesMoved: 0,
  bytesFreed: 0,
};

/** On a read-only mount garbage stays where it is. */
async function reclaimWhereAllowed(
  { mount }: Settings,
  content: ContentStore,
): Promise<ReclaimReport> {
  return mount.readOnly ? { ...NOTHING } : content.reclaim();
}

/** On a read-only mount what is damaged is only named. */
function healWhereAllowed(settings: Settings, content: ContentStore): ContentStore['heal'] {
  return async (names) => (settings.mount.readOnly ? [] : content.heal(names));
}

async function openVolumeStore({ directory, volume, settings }: MountPlan): Promise<Store> {
  const namespace = join(directory, 'namespace');
  const tiers = configuredTiers({ volume, overrides: settings.tierDirectories });
  const place = { directory: namespace, volumeId: volume.id, tiers };
  await refuseWithoutNamespace(place);
  try {
    return await openStore(namespace);
  } catch (error) {
    const { message } = error as Error;
    const way = await namespaceWayOut(place);
    const text = way === undefined ? message : `${message}; if the disk is well, ${way}`;
    throw new CoralError(ExitCode.unusable, text, { cause: error });
  }
}

/**
 * Data first, then what refers to it, then the copies of that on the other tiers. At the end, and before a
 * mount becomes read-only.
 */
export async function makeDurable(
  parts: Pick<Parts, 'plan' | 'store' | 'tiers' | 'log'>,
): Promise<void> {
  const { store, tiers, log, plan } = parts;
  const usable = tiers.tiers.filter((tier) => tier.state !== 'missing');
  for (const tier of usable) await native.syncFilesystem(tier.path);
  await store.commit();
  if (plan.settings.mount.readOnly) return;
  for (const { tier, problem } of await copyNamespace(store, tiers)) {
    if (problem !== null) log.warn({ tier, problem }, 'no new copy of the namespace on a tier');
  }
}
