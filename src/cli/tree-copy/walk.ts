/**
 * Goes through trees: the files of a directory, then those of its last subdirectory. It is the order in which a tree is
 * packed, so what is read one after the other lies together.
 *
 * Bounded memory: some hundreds of entries at a time, and the directories that are still to come.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { native } from '../../native.js';
import { entryOf, isDirectory, join, pathBuffer, type Entry, type Folder } from './entry.js';

export interface Visitor {
  /** Of some entries of one directory, the directories to go into. The rest is the visitor's. */
  take(entries: Entry[]): Promise<Entry[]>;
  /** A directory is about to be listed. Undefined: it is not. */
  enter(directory: Entry): Promise<Folder | undefined>;
  /** It was listed, up to `error` where there is one. */
  left(folder: Folder, error?: unknown): void;
  readonly stopped: boolean;
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/** Until the end, or the visitor has stopped. */
export async function walk(roots: readonly Entry[], visitor: Visitor): Promise<void> {
  for (const root of roots) {
    const stack = await visitor.take([root]);
    for (let at = stack.pop(); at !== undefined && !visitor.stopped; at = stack.pop()) {
      const folder = await visitor.enter(at);
      if (folder !== undefined) await list(folder, visitor, stack);
    }
  }
}

async function list(folder: Folder, visitor: Visitor, stack: Entry[]): Promise<void> {
  try {
    for await (const entries of slices(folder)) {
      for (const below of await visitor.take(entries)) stack.push(below);
      if (visitor.stopped) break;
    }
    visitor.left(folder);
  } catch (error) {
    visitor.left(folder, error);
  }
}

async function* slices(folder: Folder): AsyncGenerator<Entry[]> {
  const { source, target } = folder;
  const fd = openSync(pathBuffer(source), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    for (let ended = false; !ended;) {
      const { names, stats, last } = await native.listDirectory(fd);
      ended = last;
      yield names.map((name, index) =>
        entryOf(stats, index, join(source, name), join(target, name), folder),
      );
    }
  } finally {
    closeSync(fd);
  }
}

export interface Totals {
  bytes: number;
  files: number;
  /** All was counted. */
  complete: boolean;
}

/** What there is to copy; for a progress bar, meanwhile. */
export async function countInto(
  totals: Totals,
  roots: readonly Entry[],
  stopped: () => boolean,
): Promise<void> {
  await walk(roots, {
    take(entries) {
      const [directories, files] = [entries.filter(isDirectory), entries.filter(isCounted)];
      totals.files += files.length;
      totals.bytes += files.reduce((sum, { size }) => sum + size, 0);
      return Promise.resolve(directories);
    },
    enter: (directory) => Promise.resolve({ ...directory, made: false, open: 0 }),
    left: () => undefined,
    get stopped() {
      return stopped();
    },
  });
  totals.complete = true;
}

const isCounted = (entry: Entry): boolean => entry.errno === 0 && !isDirectory(entry);
