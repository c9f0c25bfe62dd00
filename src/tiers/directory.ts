/**
 * Checks on the directories of tiers that need no marker: is it there, is it a place for a tier at
 * all.
 */
import { access, constants, open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import { CoralError, errnoName, ExitCode, reasonOf } from '../config/errors.js';
import { bytesOf, isCoralReef, isInside, mountOf, readMounts } from '../config/mountinfo.js';
import { markerPath } from './marker.js';

export interface NamedDirectory {
  name: string;
  path: string;
}

/** What is wrong with one directory: `absent` may be a disk that is not there. */
export interface DirectoryProblem {
  absent: boolean;
  text: string;
}

export function unusable(text: string): CoralError {
  return new CoralError(ExitCode.unusable, text);
}

/** Null where it is a directory that is not served by Coral Reef. Touches no Coral Reef mount. */
export async function directoryProblem(tier: NamedDirectory): Promise<DirectoryProblem | null> {
  const { name, path } = tier;
  if (!isAbsolute(path)) return { absent: false, text: `tier ${name}: ${path} must be absolute` };
  const onMount = await mountProblem(tier, normalize(path));
  if (onMount) return onMount;
  try {
    const real = await realpath(path);
    if (!(await stat(real)).isDirectory()) {
      return { absent: false, text: `tier ${name}: ${path} is not a directory` };
    }
    return await mountProblem(tier, real);
  } catch (error) {
    return { absent: true, text: `tier ${name}: ${path}: ${absenceReason(error)}` };
  }
}

function absenceReason(error: unknown): string {
  if (errnoName(error) !== 'ENOENT') return `${reasonOf(error)}; check the disk`;
  return 'the directory does not exist; mount its disk, or create it for a new volume';
}

async function mountProblem(tier: NamedDirectory, path: string): Promise<DirectoryProblem | null> {
  const mount = mountOf(readMounts(), bytesOf(path));
  if (!mount || !isCoralReef(mount)) return null;
  return {
    absent: false,
    text: `tier ${tier.name}: ${tier.path} lies on the Coral Reef mount ${mount.mountpoint}; a tier must be a directory of another filesystem`,
  };
}

/** Null where it can be written to; else what is wrong and the way out, in one line. */
export async function writeProblem({ name, path }: NamedDirectory): Promise<string | null> {
  try {
    await access(path, constants.W_OK);
    await openMarkerForWriting(path);
    return null;
  } catch (error) {
    const where = `tier ${name}: ${path}`;
    const code = errnoName(error);
    if (code === 'EROFS') return `${where} is read-only; mount its disk for writing`;
    const remedy =
      code === 'EACCES'
        ? 'let the user who runs Coral Reef write there, or run it as another one'
        : 'check the disk';
    return `${where} can't be written to: ${reasonOf(error)}; ${remedy}`;
  }
}

/**
 * A filesystem that ext4 made read-only by itself, after an error of its disk, answers access(2) as before. Nothing is
 * written. @throws EROFS
 */
async function openMarkerForWriting(path: string): Promise<void> {
  try {
    const marker = await open(markerPath(path), constants.O_RDWR | constants.O_NOFOLLOW);
    await marker.close();
  } catch (error) {
    // Whatever else is wrong with it is said where it is read; `init` asks before there is one.
    if (errnoName(error) === 'EROFS') throw error;
  }
}

/**
 * The first pair of directories that are one, or of which one lies in the other, in one line. One that is not there counts
 * by its name.
 */
export async function overlapProblem(tiers: readonly NamedDirectory[]): Promise<string | null> {
  const real = await Promise.all(tiers.map(({ path }) => realpath(path).catch(() => path)));
  for (let i = 0; i < tiers.length; i++) {
    for (let j = 0; j < tiers.length; j++) {
      if (i === j || !isInside(real[j], real[i])) continue;
      const [outer, inner] = [tiers[i], tiers[j]];
      const same = real[i] === real[j];
      const what = same
        ? `is the directory of tier ${outer.name} too`
        : `lies inside tier ${outer.name} (${outer.path})`;
      return `tier ${inner.name}: ${inner.path} ${what}; give each tier a directory of its own`;
    }
  }
  return null;
}
