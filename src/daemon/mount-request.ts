/** What a mount is asked for, and the two places that it names. Light: `mount` itself loads little more. */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { bytesOf, mountAt, readMounts } from '../config/mountinfo.js';
import { splitOptions } from '../config/option-list.js';

export interface MountRequest {
  volume: string;
  mountpoint: string;
  /** Texts of `-o`. */
  options: readonly string[];
}

export const REMOUNT = 'remount';

export function isRemount({ options }: MountRequest): boolean {
  return options.flatMap(splitOptions).includes(REMOUNT);
}

/** @throws CoralError where it is no directory */
export function volumeDirectory(typed: string): string {
  try {
    const directory = realpathSync(typed);
    if (statSync(directory).isDirectory()) return directory;
  } catch (error) {
    throw new CoralError(
      ExitCode.unusable,
      `${typed}: no volume there: ${reasonOf(error)}. Make one: ` +
        `coral-reef init ${typed} --tier NAME=DIR`,
      { cause: error },
    );
  }
  throw new CoralError(ExitCode.unusable, `${typed}: a volume is a directory, and this is a file`);
}

/** Absolute, without symbolic links; looks at the mount point itself only where nothing is mounted. */
export function mountpointPath(typed: string): string {
  const path = resolve(typed);
  if (path === '/') throw new CoralError(ExitCode.failed, '/: it can not be the mount point');
  try {
    const real = join(realpathSync(dirname(path)), basename(path));
    if (mountAt(readMounts(), bytesOf(real)) !== undefined) return real;
    return lstatSync(real, { throwIfNoEntry: false })?.isSymbolicLink() ? realpathSync(real) : real;
  } catch (error) {
    throw badMountpoint(path, reasonOf(error), `Create it: mkdir -p ${path}`, error);
  }
}

export function badMountpoint(
  path: string,
  why: string,
  remedy: string,
  cause?: unknown,
): CoralError {
  const message = `${path}: it can't be the mount point: ${why}. ${remedy}`;
  return new CoralError(ExitCode.failed, message, { cause });
}
