/**
 * Volume files: `<volume>/volume.json` says which tiers a volume has. Made once by `init`, read by
 * each mount. Format: README.md here.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, realpath, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type CoralError, errnoName, reasonOf, usageError } from '../config/errors.js';
import { directoryProblem, overlapProblem, unusable, writeProblem } from './directory.js';
import { markerOf, markerPath, type MarkerReading, readMarker, treePath } from './marker.js';
import {
  incomingPath,
  nameIncoming,
  syncDirectory,
  writeDurably,
  writeIncoming,
} from './durable-json.js';
import { detectMedium } from './medium.js';
import type { Medium, TierConfig, VolumeConfig } from './types.js';
import { MEDIA } from './types.js';

export const VOLUME_FORMAT = 1;
export const MAX_TIERS = 255;
/** Bytes; the average must be a power of two. */
const CHUNKING = { min: 16 * 1024, average: 64 * 1024, max: 256 * 1024 };

export interface NewTier {
  name: string;
  path: string;
  /** Asked of the kernel where it is not given. */
  medium?: Medium;
  /** Bytes, or null for the whole filesystem. */
  capacity?: number | null;
}

/**
 * Makes a volume: markers on its tiers first, then `volume.json`. `tiers` are fastest first.
 * Nothing is left behind where it fails. @throws CoralError
 */
export async function createVolume(
  directory: string,
  tiers: readonly NewTier[],
): Promise<VolumeConfig> {
  checkNames(tiers);
  await checkNoVolume(directory);
  const resolved = tiers.map((tier) => ({ ...tier, path: resolve(tier.path) }));
  for (const tier of resolved) await checkNewTier(tier);
  const overlap = await overlapProblem(resolved);
  if (overlap) throw unusable(overlap);
  const volume: VolumeConfig = {
    format: VOLUME_FORMAT,
    id: randomBytes(16).toString('hex'),
    created: new Date().toISOString(),
    tiers: await Promise.all(resolved.map((tier, index) => tierConfig(tier, index + 1))),
    chunking: { ...CHUNKING },
  };
  await writeVolume(directory, volume);
  return volume;
}

/** @throws CoralError where there is no volume, it can't be read, or its format is not known. */
export async function readVolume(directory: string): Promise<VolumeConfig> {
  const file = volumePath(directory);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = errnoName(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      throw unusable(`can't read ${file}: ${reasonOf(error)}`);
    }
    throw unusable(
      `${directory} is not a Coral Reef volume: it has no volume.json; make one with: coral-reef init ${directory} --tier NAME=DIR`,
    );
  }
  return parseVolume(text, file);
}

function parseVolume(text: string, file: string): VolumeConfig {
  let value: Partial<VolumeConfig> | null;
  try {
    value = JSON.parse(text) as Partial<VolumeConfig> | null;
  } catch {
    throw unusable(`${file} is damaged: it is not valid JSON; restore it from a backup`);
  }
  const format = value?.format;
  if (typeof format === 'number' && format !== VOLUME_FORMAT) {
    throw unusable(
      `${file} has format ${format}, this version knows ${VOLUME_FORMAT}; use the version of coral-reef that wrote it`,
    );
  }
  if (!isVolume(value)) {
    throw unusable(`${file} is damaged: a field is missing or wrong; restore it from a backup`);
  }
  return value;
}

function isVolume(value: Partial<VolumeConfig> | null): value is VolumeConfig {
  const { format, id, created, tiers, chunking, nextTier = 1 } = value ?? {};
  if (format !== VOLUME_FORMAT || typeof created !== 'string') return false;
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) return false;
  if (!Array.isArray(tiers) || tiers.length === 0 || !tiers.every(isTier)) return false;
  const ids = new Set(tiers.map((tier) => tier.id));
  const names = new Set(tiers.map((tier) => tier.name));
  if (ids.size !== tiers.length || names.size !== tiers.length) return false;
  if (!Number.isInteger(nextTier) || nextTier < 1 || nextTier > MAX_TIERS + 1) return false;
  const { min, average, max } = chunking ?? {};
  return [min, average, max].every((bytes) => Number.isSafeInteger(bytes) && bytes! > 0);
}

function isTier(value: Partial<TierConfig> | null): value is TierConfig {
  const { id, name, medium, path, capacity } = value ?? {};
  return (
    Number.isInteger(id) &&
    id! >= 1 &&
    id! <= MAX_TIERS &&
    typeof name === 'string' &&
    typeof path === 'string' &&
    MEDIA.includes(medium as Medium) &&
    (capacity === null || (Number.isSafeInteger(capacity) && capacity! > 0))
  );
}

export function volumePath(directory: string): string {
  return `${directory}/volume.json`;
}

function checkNames(tiers: readonly NewTier[]): void {
  if (tiers.length === 0) throw usageError('a volume needs at least one --tier NAME=DIR');
  if (tiers.length > MAX_TIERS) throw usageError(`a volume has at most ${MAX_TIERS} tiers`);
  const seen = new Set<string>();
  for (const { name } of tiers) {
    if (!/^[a-z0-9][a-z0-9_-]{0,31}$/i.test(name)) {
      throw usageError(`tier name '${name}': use up to 32 letters, digits, '-' and '_'`);
    }
    if (seen.has(name)) throw usageError(`tier name '${name}' is used twice`);
    seen.add(name);
  }
}

async function checkNoVolume(directory: string): Promise<void> {
  for (const name of ['volume.json', 'namespace']) {
    if (!(await exists(`${directory}/${name}`))) continue;
    throw unusable(`${directory} is a Coral Reef volume already; mount it, or name another one`);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function checkNewTier(tier: NewTier): Promise<void> {
  await checkTierPlace(tier);
  const reading = await readMarker(tier.path);
  if (reading.kind === 'absent' && !(await exists(treePath(tier.path)))) return;
  throw foreignTree(tier, reading);
}

/** What any directory needs to become a tier. @throws CoralError */
export async function checkTierPlace(tier: NewTier): Promise<void> {
  const { name } = tier;
  if (tier.capacity !== undefined && tier.capacity !== null && tier.capacity <= 0) {
    throw usageError(`tier ${name}: capacity must be above 0`);
  }
  const problem = await directoryProblem(tier);
  if (problem) throw unusable(problem.text);
  const unwritable = await writeProblem(tier);
  if (unwritable !== null) throw unusable(unwritable);
}

export function foreignTree({ name, path }: NewTier, reading: MarkerReading): CoralError {
  const owner = reading.kind === 'marker' ? `volume ${reading.marker.volume}` : 'another volume';
  return unusable(
    `tier ${name}: ${path} belongs to ${owner}; name another directory, or remove ${treePath(path)} if its data is not needed`,
  );
}

/** With its medium asked for where nobody named it, and its path without symbolic links. */
export async function tierConfig(tier: NewTier, id: number): Promise<TierConfig> {
  return {
    id,
    name: tier.name,
    medium: tier.medium ?? (await detectMedium(tier.path)),
    path: await realpath(tier.path),
    capacity: tier.capacity ?? null,
  };
}

/** `volume.json` is written before a tier is marked, and gets its name after: no tier belongs to nothing. */
async function writeVolume(directory: string, volume: VolumeConfig): Promise<void> {
  const file = volumePath(directory);
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const path of await missingDirectories(directory)) {
      await mkdir(path).catch((error: unknown) => Promise.reject(directoryError(path, error)));
      undo.push(() => rmdir(path));
    }
    undo.push(() => rm(incomingPath(file), { force: true }));
    await writeIncoming(file, volume, 0o644);
    for (const tier of volume.tiers) {
      await mkdir(treePath(tier.path), { mode: 0o700 });
      undo.push(() => rm(treePath(tier.path), { recursive: true, force: true }));
      await writeMarker(volume.id, tier);
    }
    undo.push(() => rm(file, { force: true }));
    await nameIncoming(file);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw unusable(`can't make the volume ${directory}: ${reasonOf(error)}`);
  }
}

/**
 * Outermost first. Not by a recursive `mkdir`: that of Node never ends below /proc, and hides why a
 * directory can't be made.
 */
async function missingDirectories(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = path; !(await exists(at)); at = dirname(at)) missing.unshift(at);
  return missing;
}

/** The directory around it is there: what "does not exist" is the way to make one in it. */
function directoryError(path: string, error: unknown): unknown {
  if (errnoName(error) !== 'ENOENT') return error;
  return new Error(`no directory can be made in ${dirname(path)}`, { cause: error });
}

async function writeMarker(volumeId: string, tier: TierConfig): Promise<void> {
  await makeTierDirectories(tier.path);
  await writeDurably(markerPath(tier.path), markerOf(volumeId, tier), 0o600);
  await syncDirectory(tier.path);
}

/** `files/00` to `files/ff`, `packs`, `incoming`; what is there stays. */
export async function makeTierDirectories(path: string): Promise<void> {
  const tree = treePath(path);
  const buckets = Array.from({ length: 256 }, (_, i) => `files/${i.toString(16).padStart(2, '0')}`);
  const there = [...(await directoriesIn(tree)), ...(await directoriesIn(tree, 'files/'))];
  const missing = ['packs', 'incoming', 'files', ...buckets].filter(
    (name) => !there.includes(name),
  );
  if (missing.length === 0) return;
  for (const name of missing) await mkdir(`${tree}/${name}`, { mode: 0o700 });
  await syncDirectory(`${tree}/files`);
  await syncDirectory(tree);
}

/** Their names below `tree`, each with `prefix`; none where that is not there. */
async function directoriesIn(tree: string, prefix = ''): Promise<string[]> {
  try {
    const entries = await readdir(`${tree}/${prefix}`, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? prefix + entry.name : []));
  } catch (error) {
    if (errnoName(error) === 'ENOENT') return [];
    throw error;
  }
}
