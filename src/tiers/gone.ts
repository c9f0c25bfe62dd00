/** Whether the disk of a tier is gone: before what was on it is given up, all that speaks against it counts. */
import { access, constants, readFile, stat } from 'node:fs/promises';
import { errnoName } from '../config/errors.js';
import { bytesOf, isCoralReef, mountOf, readMounts } from '../config/mountinfo.js';
import { markerOf, markerPath, readMarker, treePath } from './marker.js';
import { filesIn } from './tier-changes.js';
import type { TierConfig } from './types.js';

/** What says that this user may not look, not that nothing is there. */
const FORBIDDEN = ['EACCES', 'EPERM'];

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
  if (!(await isDirectory(path)) || (await givesErrors(markerPath(path)))) return null;
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

/** Backing files or packs, as far as they can be seen. */
async function hasData(path: string): Promise<boolean> {
  const files = await filesIn(path).catch(() => undefined);
  const places = ['files', 'packs'].map((directory) => `${treePath(path)}/${directory}/`);
  return files?.some((file) => places.some((place) => file.startsWith(place))) ?? false;
}
