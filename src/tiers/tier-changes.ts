/**
 * Changes to the tiers of a volume that there is. Whoever calls holds the volume's lock, and nobody has it mounted. A crash
 * leaves the old volume or the new one, and the same call again does what is left. Write order: README.md here.
 */
import { mkdir, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errnoName, reasonOf, usageError } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { TIER_NAME_ALLOWED, isTierName } from '../config/tier-name.js';
import { directoryProblem, overlapProblem, unusable } from './directory.js';
import {
  incomingPath,
  nameIncoming,
  syncDirectory,
  writeDurably,
  writeIncoming,
} from './durable-json.js';
import { markerOf, markerPath, readMarker, treePath } from './marker.js';
import { MEDIA, type Medium, type TierConfig, type VolumeConfig } from './types.js';
import {
  checkTierPlace,
  foreignTree,
  makeTierDirectories,
  MAX_TIERS,
  type NewTier,
  tierConfig,
  volumePath,
} from './volume.js';

/** Beside which tier a new one stands; one of them at most. */
export interface Place {
  before?: string;
  after?: string;
}

export interface TierChange {
  name?: string;
  path?: string;
  medium?: Medium;
  /** Bytes, or null for the whole filesystem. */
  capacity?: number | null;
}

/** Makes `tier` one of the volume's. @returns the volume as it is then @throws CoralError; the volume is as before */
export async function addTier(
  directory: string,
  volume: VolumeConfig,
  tier: NewTier,
  place: Place,
): Promise<VolumeConfig> {
  checkNewName(volume, tier.name);
  const id = nextId(volume);
  const added = { ...tier, path: resolve(tier.path) };
  await checkTierPlace(added);
  const taken = await takenOver(directory, volume, added);
  const config = await tierConfig(added, id);
  const tiers = inserted(volume.tiers, config, place);
  const overlap = await overlapProblem([...volume.tiers, config]);
  if (overlap) throw unusable(overlap);
  // The number is used up first: a crash after the tier is marked must not let another directory get the same one.
  const reserved = { ...volume, nextTier: id + 1 };
  await replaceVolume(directory, reserved);
  const next = { ...reserved, tiers };
  await writeNext(directory, next);
  let made = false;
  try {
    // Somebody else's that has come just now is an error.
    if (!taken) await mkdir(treePath(config.path), { mode: 0o700 });
    made = !taken;
    await markTree(volume.id, config);
  } catch (error) {
    await rm(incomingPath(volumePath(directory)), { force: true }).catch(() => {});
    if (made) await rm(treePath(config.path), { recursive: true, force: true }).catch(() => {});
    const why = `${treePath(config.path)} can't be made: ${reasonOf(error)}`;
    throw unusable(`tier ${tier.name}: ${why}; mend that, then add the tier again`);
  }
  await nameNext(directory);
  return next;
}

/** Changes what is recorded of a tier. @returns the volume as it is then @throws CoralError */
export async function changeTier(
  directory: string,
  volume: VolumeConfig,
  name: string,
  change: TierChange,
): Promise<VolumeConfig> {
  const tier = tierNamed(volume, name);
  if (change.name !== undefined && change.name !== name) checkNewName(volume, change.name);
  const changed = { ...tier, ...change };
  if (change.path !== undefined) changed.path = await placeOf(volume, tier, change.path);
  const tiers = volume.tiers.map((one) => (one === tier ? changed : one));
  const overlap = change.path !== undefined && (await overlapProblem(tiers));
  if (overlap) throw unusable(overlap);
  if (changed.name !== name) await renameMarker(volume, tier, changed);
  const next = { ...volume, tiers };
  await replaceVolume(directory, next);
  return next;
}

/**
 * Takes a tier out of the volume, and from its directory what says that it was one. Nothing of the volume is on it: that is
 * for the caller to know. @returns the volume as it is then @throws CoralError; the volume is as before
 */
export async function removeTier(
  directory: string,
  volume: VolumeConfig,
  name: string,
): Promise<VolumeConfig> {
  const tier = removable(volume, name);
  await checkMarker(volume, tier);
  const next = await takeOut(directory, volume, tier);
  await forgetTree(tier.path).catch(() => {});
  return next;
}

/**
 * Takes a tier out of the volume whose disk is gone. What the namespace has there is put in order at the next opening.
 * @returns the volume as it is then @throws CoralError; the volume is as before
 */
export async function removeLostTier(
  directory: string,
  volume: VolumeConfig,
  name: string,
): Promise<VolumeConfig> {
  return takeOut(directory, volume, removable(volume, name));
}

async function takeOut(
  directory: string,
  volume: VolumeConfig,
  tier: TierConfig,
): Promise<VolumeConfig> {
  const tiers = volume.tiers.filter((one) => one !== tier);
  const next = { ...volume, tiers, nextTier: nextNumber(volume) };
  await replaceVolume(directory, next);
  return next;
}

/** @throws usage error */
export function removable(volume: VolumeConfig, name: string): TierConfig {
  const tier = tierNamed(volume, name);
  if (volume.tiers.length > 1) return tier;
  throw usageError(`tier ${name} is the only one of the volume. Add another one first`);
}

/** What is not of a tier without files stays, and so do the directories around it. */
async function forgetTree(directory: string): Promise<void> {
  const tree = treePath(directory);
  for (const file of ['namespace-copy/data.mdb', 'generation.json', 'tier.json']) {
    await rm(`${tree}/${file}`, { force: true });
  }
  const buckets = await readdir(`${tree}/files`);
  for (const name of buckets) await rmdir(`${tree}/files/${name}`).catch(() => {});
  for (const name of ['files', 'packs', 'incoming', 'namespace-copy', '']) {
    await rmdir(`${tree}/${name}`).catch(() => {});
  }
}

/** @throws usage error where the volume has none of that name */
export function tierNamed({ tiers }: Pick<VolumeConfig, 'tiers'>, name: string): TierConfig {
  const tier = tiers.find((one) => one.name === name);
  if (tier !== undefined) return tier;
  const names = tiers.map((one) => one.name);
  const hint = didYouMean(name, names) || '.';
  throw usageError(`the volume has no tier "${name}"${hint} It has ${names.join(', ')}`);
}

function checkNewName({ tiers }: VolumeConfig, name: string): void {
  if (!isTierName(name)) {
    throw usageError(`"${name}" can't be a tier's name. Allowed: ${TIER_NAME_ALLOWED}`);
  }
  if (!tiers.some((tier) => tier.name === name)) return;
  const names = tiers.map((tier) => tier.name).join(', ');
  throw usageError(`the volume has a tier ${name} already; it has ${names}. Choose another name`);
}

function nextNumber({ tiers, nextTier = 1 }: VolumeConfig): number {
  return Math.max(nextTier, ...tiers.map((tier) => tier.id + 1));
}

function nextId(volume: VolumeConfig): number {
  const id = nextNumber(volume);
  if (id <= MAX_TIERS) return id;
  throw unusable(
    `a volume has at most ${MAX_TIERS} tiers in its life, and no number is given twice: change one of its tiers instead`,
  );
}

/** Where nobody says, tiers stay in the order of their media. @throws usage error */
function inserted(
  tiers: readonly TierConfig[],
  tier: TierConfig,
  { before, after }: Place,
): TierConfig[] {
  const speed = ({ medium }: TierConfig): number => MEDIA.indexOf(medium);
  let at = tiers.findLastIndex((one) => speed(one) <= speed(tier)) + 1;
  if (before !== undefined) at = tiers.indexOf(tierNamed({ tiers: [...tiers] }, before));
  if (after !== undefined) at = tiers.indexOf(tierNamed({ tiers: [...tiers] }, after)) + 1;
  return tiers.toSpliced(at, 0, tier);
}

/**
 * Whether there is a tree already, which a call that a crash ended has left. @throws CoralError for any other one: of what
 * it holds we know nothing
 */
async function takenOver(directory: string, volume: VolumeConfig, tier: NewTier): Promise<boolean> {
  const reading = await readMarker(tier.path);
  const tree = await filesIn(tier.path);
  if (reading.kind === 'absent') {
    if (tree === undefined || tree.length === 0) return tree !== undefined;
    throw foreignTree(tier, reading);
  }
  if (reading.kind !== 'marker' || reading.marker.volume !== volume.id) {
    throw foreignTree(tier, reading);
  }
  const where = `tier ${tier.name}: ${tier.path}`;
  const known = volume.tiers.find(({ id }) => id === reading.marker.tier);
  if (known) {
    throw unusable(
      `${where} is tier ${known.name} of this volume already; if its disk is mounted there now: coral-reef tier set ${directory} ${known.name} --path ${tier.path}`,
    );
  }
  if (tree?.length === 0) return true;
  throw unusable(
    `${where} was tier ${reading.marker.name} of this volume before, and is not empty (${tree?.[0]}): it can't be one again; remove ${treePath(tier.path)} if its data is not needed`,
  );
}

/** Paths of what the tree there holds beside its marker; undefined where there is none. @throws CoralError */
export async function filesIn(directory: string): Promise<string[] | undefined> {
  const tree = treePath(directory);
  const marker = markerPath(directory);
  try {
    const entries = await readdir(tree, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
      .filter((path) => path !== marker && path !== incomingPath(marker));
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return undefined;
    throw unusable(`${tree} can't be read: ${reasonOf(error)}; check the disk`);
  }
}

/** The marker first: of a tree that has none nobody knows where it comes from. */
async function markTree(volumeId: string, tier: TierConfig): Promise<void> {
  await writeDurably(markerPath(tier.path), markerOf(volumeId, tier), 0o600);
  await makeTierDirectories(tier.path);
  await syncDirectory(tier.path);
}

/** Where a tier is now, without symbolic links. @throws CoralError where it is not there */
async function placeOf(volume: VolumeConfig, tier: TierConfig, path: string): Promise<string> {
  const place = resolve(path);
  const problem = await directoryProblem({ name: tier.name, path: place });
  if (problem) throw unusable(problem.text);
  await checkMarker(volume, { ...tier, path: place });
  return realpath(place);
}

/** @throws CoralError */
async function checkMarker(volume: VolumeConfig, { id, name, path }: TierConfig): Promise<void> {
  const reading = await readMarker(path);
  const where = `tier ${name}: ${path}`;
  const way = 'name the directory that is this tier';
  if (reading.kind === 'absent') {
    throw unusable(
      `${where} has no marker ${markerPath(path)}, so it is not this tier; mount its disk there, or copy all of the tier there: rsync -aSX OLD/ ${path}/`,
    );
  }
  if (reading.kind !== 'marker') {
    const why = reading.kind === 'unreadable' ? reading.reason : 'its format is not known';
    throw unusable(
      `${where}: the marker ${markerPath(path)} can't be read: ${why}; check the disk`,
    );
  }
  const { marker } = reading;
  if (marker.volume !== volume.id) {
    throw unusable(`${where} belongs to another volume (${marker.volume}); ${way}`);
  }
  if (marker.tier === id) return;
  throw unusable(`${where} is tier ${marker.name} of this volume, not ${name}; ${way}`);
}

/** The marker's name is for people, so a crash after it does no harm. */
async function renameMarker(
  volume: VolumeConfig,
  tier: TierConfig,
  changed: TierConfig,
): Promise<void> {
  await checkMarker(volume, { ...changed, name: tier.name });
  const file = markerPath(changed.path);
  try {
    await writeDurably(file, markerOf(volume.id, changed), 0o600);
  } catch (error) {
    await rm(incomingPath(file), { force: true }).catch(() => {});
    const why = `${file} can't be written: ${reasonOf(error)}`;
    throw unusable(`tier ${tier.name} can't be renamed: ${why}; mend that, then try again`);
  }
}

async function replaceVolume(directory: string, volume: VolumeConfig): Promise<void> {
  await writeNext(directory, volume);
  await nameNext(directory);
}

async function writeNext(directory: string, volume: VolumeConfig): Promise<void> {
  const file = volumePath(directory);
  try {
    await writeIncoming(file, volume, 0o644);
  } catch (error) {
    await rm(incomingPath(file), { force: true }).catch(() => {});
    throw volumeError(file, error);
  }
}

async function nameNext(directory: string): Promise<void> {
  const file = volumePath(directory);
  await nameIncoming(file).catch((error: unknown) => {
    throw volumeError(file, error);
  });
}

function volumeError(file: string, error: unknown): Error {
  const remedy =
    errnoName(error) === 'ENOSPC' ? 'make room there' : 'its directory must be writable';
  return unusable(`${file} can't be written: ${reasonOf(error)}; ${remedy}, then try again`);
}
