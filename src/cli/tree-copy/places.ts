/** What was named: where it is, and what it is to be called. */
import { statfsSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { CoralError, ExitCode, reasonOf, usageError } from '../../config/errors.js';
import { isCoralReef, isInside, mountOf, readMounts, shown } from '../../config/mountinfo.js';
import { native } from '../../native.js';
import { type EntryPlace, locatePath, placeOf, placeOnMount, realPath } from '../locate.js';
import {
  entryOf,
  isDirectory,
  isOneInode,
  join,
  pathBuffer,
  type CopyTarget,
  type Entry,
} from './entry.js';

const FUSE_SUPER_MAGIC = 0x65735546;

/** Where an export goes to: any directory. @throws CoralError where it is none that exists */
export async function exportTarget(typed: string): Promise<CopyTarget> {
  const directory = await directoryAt(typed);
  // The kernel passes no syncfs on to FUSE.
  const flush = statfsSync(pathBuffer(directory.source)).type === FUSE_SUPER_MAGIC;
  const refuses = (source: Entry) =>
    isOneInode(source, directory) ? 'this is where the export goes to' : undefined;
  return { verb: 'export', directory, flush, refuses };
}

/** Where an import goes to: a directory on a mount, whose files are all left out of it. @throws CoralError as above */
export async function importTarget(typed: string): Promise<CopyTarget> {
  locatePath(typed);
  const directory = await directoryAt(typed);
  const mountpoints = new Set(readMounts().map(({ mountpoint }) => mountpoint));
  const refuses = (source: Entry) => {
    if (source.dev === directory.dev) return 'this is the mount that the import goes to';
    // The daemon would add files to what is hidden below it.
    const isHidden = source.target !== directory.source && mountpoints.has(source.target);
    return isHidden ? `something else is mounted at ${shown(source.target)}` : undefined;
  };
  return { verb: 'import', directory, flush: true, refuses };
}

async function directoryAt(typed: string): Promise<Entry> {
  const directory = await look(realPath(typed), '');
  if (directory.errno !== 0) {
    throw new CoralError(
      ExitCode.failed,
      `${typed}: ${reason(directory)}. Make it first: mkdir -p ${typed}`,
    );
  }
  if (!isDirectory(directory)) throw usageError(`${typed}: it is not a directory`);
  return directory;
}

/** @throws CoralError where one can't be copied to `to`: then none is. */
export async function rootsOf(typed: readonly string[], to: CopyTarget): Promise<Entry[]> {
  const roots: Entry[] = [];
  for (const path of typed) {
    const root = await rootOf(path, to);
    if (roots.some(({ target }) => target === root.target)) {
      throw usageError(`${path}: another path comes out as ${shown(root.target)} already`);
    }
    roots.push(root);
  }
  return roots;
}

/** `FOLDER/.` means what is in it, as with cp. */
async function rootOf(typed: string, to: CopyTarget): Promise<Entry> {
  const contents = /(^|\/)\.\/*$/.test(typed);
  const place = to.verb === 'export' ? placeOnMount(typed, contents) : placeOf(typed, contents);
  const { path, real, name } = place;
  const directory = to.directory.source;
  const root = await look(real, contents ? directory : join(directory, name));
  if (root.errno !== 0) throw new CoralError(ExitCode.failed, `${path}: ${reason(root)}`);
  if (to.verb === 'import') refuseSameMount(place, to);
  if (isDirectory(root) && isInside(directory, real)) {
    const where = shown(directory);
    throw usageError(`${path}: it can't be ${to.verb}ed to ${where}, which is inside it`);
  }
  return root;
}

/** Devices of those that lie on mounts where nothing has an extended attribute. */
export function bareDevices(roots: readonly Entry[]): Set<number> {
  const mounts = readMounts();
  const bare = roots.filter(({ source }) => {
    const mount = mountOf(mounts, source);
    return isCoralReef(mount) && isBare(shown(mount.mountpoint));
  });
  return new Set(bare.map(({ dev }) => dev));
}

/** Asked once: to list the attributes of each file would be a third of all that the daemon is asked. */
function isBare(mountpoint: string): boolean {
  try {
    return String(native.getXattr(mountpoint, 'user.coral-reef.attributes')) === 'none';
  } catch {
    return false;
  }
}

/** Importing packs what is outside; what is there already has its form. */
function refuseSameMount({ path, real }: EntryPlace, { directory }: CopyTarget): void {
  const mounts = readMounts();
  const [from, to] = [mountOf(mounts, real), mountOf(mounts, directory.source)];
  if (from?.device !== to?.device) return;
  throw usageError(`${path}: it is on ${shown(to!.mountpoint)} already. Copy it there with cp -a`);
}

async function look(source: string, target: string): Promise<Entry> {
  return entryOf(await native.lookAt([source]), 0, source, target);
}

function reason({ errno }: Entry): string {
  const code = getSystemErrorName(-errno);
  return reasonOf(Object.assign(new Error(code), { code }));
}
