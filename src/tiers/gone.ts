/** Whether the disk of a tier is gone: before what was on it is given up, all that speaks against it counts. */
import { access, constants, open, readdir, readFile, stat } from 'node:fs/promises';
import { errnoName } from '../config/errors.js';
import { bytesOf, isCoralReef, mountOf, readMounts } from '../config/mountinfo.js';
import { markerOf, markerPath, readMarker, treePath } from './marker.js';
import type { TierConfig } from './types.js';

/** What says that this user may not look, not that nothing is there. */
const FORBIDDEN = ['EACCES', 'EPERM'];
/** Files of a disk that gives errors that are tried: each may take its time. */
const TRIED = 8;

/**
 * Why the directory of a tier can't be taken for lost, and what to do instead, in one line; null where it is not there, can't
 * be read or is something else. A disk that is read-only, or gives errors here and there, is there.
 */
export async function presence(tier: TierConfig, volumeId: string): Promise<string | null> {
  const { name, path } = tier;
  const where = `tier ${name}: ${path}`;
  if (isCoralReef(mountOf(readMounts(), bytesOf(path)))) {
    return `${where} is hidden by a Coral Reef mount; unmount that first`;
  }
  if ((await isForbidden(path, constants.X_OK)) || (await isForbidden(markerPath(path)))) {
    return `${where} can't be looked at: permission denied; do this as a user who may`;
  }
  if (!(await isDirectory(path))) return null;
  // One bad sector may have hit no more than the marker.
  if ((await givesErrors(markerPath(path))) && !(await givesData(path))) return null;
  const reading = await readMarker(path);
  if (reading.kind === 'unknown-format') {
    return `${where} was written by a newer version of coral-reef; use that`;
  }
  if (reading.kind === 'marker') {
    const { volume, tier: id } = reading.marker;
    return volume === volumeId && id === tier.id ? `${where} is there` : null;
  }
  if (!(await hasData(path))) return null;
  const marker = JSON.stringify(markerOf(volumeId, tier));
  return (
    `${where} has files of a tier, and only lacks its marker. If it is this tier, give it one: ` +
    `echo '${marker}' > ${markerPath(path)}; if not, move ${treePath(path)} away`
  );
}

async function isForbidden(path: string, mode = constants.R_OK): Promise<boolean> {
  return access(path, mode).then(
    () => false,
    (error: unknown) => FORBIDDEN.includes(errnoName(error) ?? ''),
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** It is there, or may be, and its medium does not give it. */
async function givesErrors(path: string): Promise<boolean> {
  return readFile(path).then(
    () => false,
    (error: unknown) => !['ENOENT', 'ENOTDIR'].includes(errnoName(error) ?? ''),
  );
}

async function hasData(path: string): Promise<boolean> {
  for await (const _file of dataFiles(path)) return true;
  return false;
}

async function givesData(path: string): Promise<boolean> {
  let tried = 0;
  for await (const file of dataFiles(path)) {
    if (await isReadable(file)) return true;
    if (++tried === TRIED) break;
  }
  return false;
}

/** An empty file says nothing. */
async function isReadable(path: string): Promise<boolean> {
  const file = await open(path).catch(() => null);
  try {
    const read = await file?.read(Buffer.alloc(1), 0, 1, 0);
    return read?.bytesRead === 1;
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}

/** Backing files and packs, as far as they can be seen: one directory that can't be read is not all that there is. */
async function* dataFiles(path: string): AsyncIterable<string> {
  const tree = treePath(path);
  const buckets = await namesIn(`${tree}/files`);
  for (const place of ['packs', ...buckets.map((name) => `files/${name}`)]) {
    for (const name of await namesIn(`${tree}/${place}`)) yield `${tree}/${place}/${name}`;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
