/**
 * Changes the tiers of a volume that nobody has mounted, under its lock, and says what they are. A daemon that waits for the
 * lock meanwhile looks at the volume again once it has it (`refuseIfChanged`).
 */
import { resolve } from 'node:path';
import { CoralError, ExitCode } from '../config/errors.js';
import { bytesOf, isCoralReef, mountAt, readMounts, shown } from '../config/mountinfo.js';
import { checkTierNames } from '../config/settings.js';
import { differingFrom, lackingOn, remainingOn } from '../integrity/tier-contents.js';
import { cutMoves } from '../migration/journal.js';
import { unusable, writeProblem } from '../tiers/directory.js';
import { readMarker } from '../tiers/marker.js';
import {
  addTier,
  changeTier,
  filesIn,
  removable,
  removeLostTier,
  removeTier,
  tierNamed,
  type Place,
  type TierChange,
} from '../tiers/tier-changes.js';
import { openProblem } from '../tiers/tier-set.js';
import type { TierConfig, VolumeConfig } from '../tiers/types.js';
import { readVolume, type NewTier } from '../tiers/volume.js';
import type {
  LossDocument,
  LostTierDocument,
  TierListDocument,
  TiersChangedDocument,
} from './documents.js';
import { isLocked, lockVolume, mountOfVolume } from './lock.js';
import { lookAt } from './looking.js';
import { listLosses, lossText, mustBeGone, settleRemoval, summed, survey } from './lost-tier.js';
import { volumeDirectory } from './mount-request.js';
import { settingsFor } from './preflight.js';

/** @throws CoralError; the volume is as before */
export function addTierTo(
  typed: string,
  tier: NewTier,
  place: Place,
): Promise<TiersChangedDocument> {
  return changed(typed, tier.name, async (directory, volume) =>
    alone(await addTier(directory, volume, tier, place)),
  );
}

/** @throws CoralError; the volume is as before */
export function changeTierOf(
  typed: string,
  name: string,
  change: TierChange,
): Promise<TiersChangedDocument> {
  return changed(typed, change.name ?? name, async (directory, volume) => {
    if (change.path !== undefined) await checkContents(directory, volume, name, change.path);
    return alone(await changeTier(directory, volume, name, change));
  });
}

/** Only where nothing of the volume is on it any more. @throws CoralError; the volume is as before */
export function removeTierFrom(typed: string, name: string): Promise<TiersChangedDocument> {
  return changed(typed, name, async (directory, volume) => {
    await checkEmptied(directory, volume, removable(volume, name));
    return alone(await removeTier(directory, volume, name));
  });
}

/**
 * For a tier whose disk is gone for good. `onLoss` hears what is lost with it, and where the list of that is, before anything
 * changes. @throws CoralError; the volume is as before
 */
export async function removeLostTierFrom(
  typed: string,
  name: string,
  onLoss: (loss: LossDocument) => void,
): Promise<LostTierDocument> {
  const document = await changed(typed, name, async (directory, volume) => {
    const tier = removable(volume, name);
    await mustBeGone(directory, volume, tier);
    const losses = await survey(directory, volume, tier, true);
    const lost = await listLosses(directory, tier, losses);
    onLoss(lost);
    return { volume: await removeLostTier(directory, volume, name), more: { lost } };
  });
  const warnings = [...document.warnings, ...(await settleRemoval(document.volume))];
  return { ...document, warnings };
}

/** @throws CoralError where something is left, or that can't be known */
async function checkEmptied(
  directory: string,
  volume: VolumeConfig,
  tier: TierConfig,
): Promise<void> {
  const { name } = tier;
  const problem = await openProblem(tier, volume.id);
  if (problem) {
    const losses = lossText(summed(await survey(directory, volume, tier, false)));
    throw unusable(
      `${problem.text}. Only a tier that is there can be taken out. Where its disk is gone for good (only there: ${losses}): ` +
        `coral-reef tier remove ${directory} ${name} --lost`,
    );
  }
  const found = await lookAt(directory, { ...volume, tiers: [tier] }, async (deps) => {
    const moves = cutMoves(deps.store);
    const cut = moves.some(({ source, target }) => [source, target].includes(tier.id));
    return [...(await remainingOn(deps)), ...(cut ? ['moves that a crash cut off'] : [])];
  });
  if (found === undefined && (await filesIn(tier.path))?.length !== 0) {
    throw unusable(
      `${directory}: what is on tier ${name} stands in its namespace, which is gone; put a copy of it in place and mount the volume first`,
    );
  }
  if (!found?.length) return;
  throw unusable(
    `tier ${name} of ${directory} can't be taken out: there still are ${found.join(', ')}. ` +
      `Mount it, empty the tier: coral-reef tier drain MOUNTPOINT ${name} --to TIER, and unmount it`,
  );
}

/** Of a volume that is not mounted: how each tier would be found. */
export async function tiersOf(typed: string): Promise<TierListDocument> {
  const directory = volumeDirectory(typed);
  const { id, tiers } = await readVolume(directory);
  const states = await Promise.all(tiers.map((tier) => stateOf(tier, id)));
  const listed = tiers.map((tier, index) => ({ ...tier, ...states[index] }));
  return { volume: directory, mountpoint: null, tiers: listed };
}

type State = Pick<TierListDocument['tiers'][number], 'state' | 'problem'>;

async function stateOf(tier: TierConfig, volumeId: string): Promise<State> {
  const problem = await openProblem(tier, volumeId);
  if (problem) return { state: 'missing', problem: problem.text };
  const unwritable = await writeProblem(tier);
  return { state: unwritable === null ? 'ok' : 'read-only', problem: unwritable };
}

/** `more` is what the document says beside. */
async function changed<More extends object>(
  typed: string,
  name: string,
  change: (
    directory: string,
    before: VolumeConfig,
  ) => Promise<{ volume: VolumeConfig; more: More }>,
): Promise<TiersChangedDocument & More> {
  refuseMountpoint(typed);
  const directory = volumeDirectory(typed);
  // Before the lock: it is a file that would be made in whatever directory was named.
  await readVolume(directory);
  refuseMounted(directory);
  const lock = await lockVolume(directory, null);
  try {
    const { volume, more } = await change(directory, await readVolume(directory));
    const tier = volume.tiers.find((one) => one.name === name) ?? null;
    const warnings = await complaints(directory, volume);
    return { volume: directory, tier, tiers: volume.tiers, warnings, ...more };
  } finally {
    lock.release();
  }
}

const alone = (volume: VolumeConfig) => ({ volume, more: {} });

function refuseMountpoint(typed: string): void {
  const path = resolve(typed);
  const mount = mountAt(readMounts(), bytesOf(path));
  if (isCoralReef(mount)) throw mustBeUnmounted(shown(mount.source), path);
}

function refuseMounted(directory: string): void {
  const mount = mountOfVolume(directory);
  if (mount && isLocked(directory)) throw mustBeUnmounted(directory, shown(mount.mountpoint));
}

function mustBeUnmounted(volume: string, mountpoint: string): CoralError {
  return new CoralError(
    ExitCode.unusable,
    `${volume}: its tiers can't be changed while it is mounted, at ${mountpoint}. ` +
      `Unmount it first: coral-reef unmount ${mountpoint}`,
  );
}

/** What keeps the next mount from working because of names that no tier has any more. */
async function complaints(directory: string, { tiers }: VolumeConfig): Promise<string[]> {
  try {
    const { settings } = await settingsFor(directory, []);
    checkTierNames(
      settings,
      tiers.map(({ name }) => name),
    );
    return [];
  } catch (error) {
    if (!(error instanceof CoralError)) throw error;
    return [`the next mount is refused until this is mended: ${error.message}`];
  }
}

/** @throws CoralError where the directory has not all that the namespace has on the tier */
async function checkContents(
  directory: string,
  volume: VolumeConfig,
  name: string,
  path: string,
): Promise<void> {
  const tier = tierNamed(volume, name);
  const moved = { ...tier, path: resolve(path) };
  // What is wrong with the directory itself `changeTier` says.
  if (await openProblem(moved, volume.id)) return;
  const found = await lookAt(directory, { ...volume, tiers: [moved] }, async (deps) => {
    const lacking = await lackingOn(deps);
    if (lacking.length > 0 || !(await isSameTier(tier, volume.id))) return lacking;
    return differingFrom(deps, tier.path);
  });
  if (!found?.length) return;
  const more = found.length === 1 ? '' : ` (and ${found.length - 1} more)`;
  throw unusable(
    `tier ${name}: ${moved.path} has not all that the volume has on this tier: ${found[0]}${more}. ` +
      `Copy it whole while the volume is not mounted (rsync -aSX); where nothing else is left, ` +
      `mount with -o tier.${name}=${moved.path}, and fsck names what is lost`,
  );
}

async function isSameTier(tier: TierConfig, volumeId: string): Promise<boolean> {
  const reading = await readMarker(tier.path);
  return (
    reading.kind === 'marker' &&
    reading.marker.volume === volumeId &&
    reading.marker.tier === tier.id
  );
}
