/** What was named: where it is, and what it is to be called. */
import { statfsSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { CoralError, ExitCode, reasonOf, usageError } from '../../config/errors.js';
import { isInside, shown } from '../../config/mountinfo.js';
import { native } from '../../native.js';
import { locateEntry, realPath } from '../locate.js';
import { entryOf, isDirectory, join, pathBuffer, type Entry } from './entry.js';
import type { ExportTarget } from './exporting.js';

const FUSE_SUPER_MAGIC = 0x65735546;

/** @throws CoralError where it is no directory that exists */
export async function exportTarget(typed: string): Promise<ExportTarget> {
  const directory = await look(realPath(typed), '');
  if (directory.errno !== 0) {
    throw new CoralError(
      ExitCode.failed,
      `${typed}: ${reason(directory)}. Make it first: mkdir -p ${typed}`,
    );
  }
  if (!isDirectory(directory)) throw usageError(`${typed}: it is not a directory`);
  // The kernel passes no syncfs on to FUSE.
  const flush = statfsSync(pathBuffer(directory.source)).type === FUSE_SUPER_MAGIC;
  return { directory, flush };
}

/** @throws CoralError where one can't be exported to `to`: then none is. */
export async function exportRoots(typed: readonly string[], to: ExportTarget): Promise<Entry[]> {
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
async function rootOf(typed: string, { directory }: ExportTarget): Promise<Entry> {
  const contents = /(^|\/)\.\/*$/.test(typed);
  const { path, real, name } = locateEntry(typed, contents);
  const target = contents ? directory.source : join(directory.source, name);
  const root = await look(real, target);
  if (root.errno !== 0) throw new CoralError(ExitCode.failed, `${path}: ${reason(root)}`);
  if (isDirectory(root) && isInside(directory.source, real)) {
    const where = shown(directory.source);
    throw usageError(`${path}: it can't be exported to ${where}, which is inside it`);
  }
  return root;
}

async function look(source: string, target: string): Promise<Entry> {
  return entryOf(await native.lookAt([source]), 0, { source, target, folder: undefined });
}

function reason({ errno }: Entry): string {
  const code = getSystemErrorName(-errno);
  return reasonOf(Object.assign(new Error(code), { code }));
}
