/**
 * Packs files that lie outside of the volume: their bytes go to packs at once, and never to a backing file. The order is
 * that of a move (README.md here); instead of a switch the caller makes the inode, in the turn that names it.
 */
import { type BigIntStats, constants } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { errnoName } from '../config/errors.js';
import { giveWay } from '../content/turns.js';
import type { PackedFile } from '../content/types.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { withFile } from './backing.js';
import { type MigrationDeps, MoveCancelled, MoveError } from './deps.js';
import { MOST_BYTES } from './group.js';
import { controlled, type Progress, writableTier } from './move.js';
import { type GroupSource, packGroup, type PackedMember } from './pack-group.js';
import { packAndCheck, type PackedCopy } from './packed-copy.js';

/** A regular file as lstat(2) describes it. One with other values is not the same, or was written meanwhile. */
export interface OutsideFile {
  path: string;
  dev: number;
  ino: number;
  /** Bytes. */
  size: number;
  /** Time of modification. */
  mtimeSec: number;
  mtimeNsec: number;
}

/** A packed form that equals the file; nothing refers to it before `commitRecipe`. */
export type PackedOutside = PackedFile & Pick<PackedCopy, 'digest'>;

/** What becomes of the files, by their index. */
export interface IntakeUse {
  /** Whether a file that begins so is to be packed. */
  wants(file: number, head: Buffer): boolean;
  /** Synchronous: commits the recipe to the file's new inode. What it throws is that file's error. */
  add(file: number, packed: PackedOutside): void;
}

/** `left`: it is not wanted. */
export type IntakeResult = 'packed' | 'left' | Error;

export interface Intake {
  /**
   * Several files below MOST_BYTES, or a longer one. A file that can't be read or was changed has an error of its own.
   * `progress` counts bytes and may be cancelled. @throws MoveError where the tier can't be written to or is full,
   * MoveCancelled
   */
  take(
    files: readonly OutsideFile[],
    tier: string,
    use: IntakeUse,
    progress: IntakeProgress,
  ): Promise<IntakeResult[]>;
  /** Ends what is under way. Resolves when nothing is packed any more. */
  close(): Promise<void>;
}

export type IntakeProgress = Progress & { total: number };

const { O_RDONLY, O_NOATIME, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Enough for the header of every format that is recognised. */
const HEAD_BYTES = 4096;
/** Inodes made in one turn. */
const SLICE = 64;

export function createIntake(
  deps: MigrationDeps,
  unpaused: <T>(work: () => Promise<T>) => Promise<T>,
): Intake {
  const running = new Map<IntakeProgress, Promise<unknown>>();
  let closed = false;

  async function take(...[files, tier, use, progress]: Parameters<Intake['take']>) {
    const target = await writableTier({ deps }, tier);
    const work = { deps, files, target, use, progress };
    try {
      const small = files.every(({ size }) => size > 0 && size < MOST_BYTES);
      return small ? await takeGroup(work) : await takeEach(work, files.keys());
    } catch (error) {
      // As with a move: what the disk itself says holds for others too.
      if (errnoName(error) === 'ENOSPC' && !(error instanceof MoveError))
        deps.tiers.noteFull(target);
      throw error;
    }
  }

  return {
    async take(files, tier, use, progress) {
      if (closed) throw new MoveCancelled('the volume is being unmounted');
      const taking = unpaused(() => take(files, tier, use, progress));
      running.set(progress, taking);
      try {
        return await taking;
      } finally {
        running.delete(progress);
      }
    },
    async close() {
      closed = true;
      for (const progress of running.keys()) cancel(progress);
      await Promise.allSettled(running.values());
    },
  };
}

/** From any turn; the step under way ends early. */
export function cancel(progress: Progress): void {
  progress.cancelled = true;
  progress.control?.cancel();
}

interface Work {
  deps: MigrationDeps;
  files: readonly OutsideFile[];
  target: Tier;
  use: IntakeUse;
  progress: IntakeProgress;
}

async function takeGroup(work: Work): Promise<IntakeResult[]> {
  const { deps, files, progress, target, use } = work;
  const results = new Map<number, IntakeResult>();
  const source: GroupSource = {
    files: files.map(({ path, size }) => ({ ino: 0, path, size })),
    step: (step) => controlled(progress, step),
    wants(file, read) {
      const wanted = use.wants(file, read.slice(file, 0, HEAD_BYTES));
      if (!wanted) results.set(file, 'left');
      return wanted;
    },
  };
  await packGroup({ deps }, source, target, (packed) => addAll(work, packed, results));
  // What could not be read, to hear why, or all where the group did not read back right: what is damaged is stored anew.
  const rest = [...files.keys()].filter((file) => !results.has(file));
  const others = rest.length === 0 ? [] : await takeEach(work, rest);
  rest.forEach((file, i) => results.set(file, others[i]));
  return Array.from(files.keys(), (file) => results.get(file)!);
}

async function addAll(
  { files, use }: Work,
  packed: readonly PackedMember[],
  results: Map<number, IntakeResult>,
): Promise<void> {
  const problems = await Promise.all(packed.map(({ file }) => problemOf(files[file])));
  for (const [turn, member] of packed.entries()) {
    results.set(member.file, problems[turn] ?? attempt(() => use.add(member.file, member)));
    if (turn % SLICE === SLICE - 1) await giveWay();
  }
}

function attempt(add: () => void): IntakeResult {
  try {
    add();
    return 'packed';
  } catch (error) {
    return error as Error;
  }
}

async function takeEach(work: Work, which: Iterable<number>): Promise<IntakeResult[]> {
  const results: IntakeResult[] = [];
  for (const file of which) {
    try {
      results.push(await takeOne(work, file));
    } catch (error) {
      if (isOfAll(error)) throw error;
      results.push((await problemOf(work.files[file])) ?? (error as Error));
    }
  }
  return results;
}

/** No other file would fare better. */
const isOfAll = (error: unknown): boolean =>
  error instanceof MoveCancelled ||
  ['ECANCELED', 'ENOSPC', 'EROFS'].includes(errnoName(error) ?? '');

async function takeOne(work: Work, file: number): Promise<IntakeResult> {
  const { deps, files, progress, target, use } = work;
  const { path, size } = files[file];
  const changed = await problemOf(files[file]);
  if (changed) return changed;
  if (!use.wants(file, await headOf(path, size))) return 'left';
  const source = { ino: 0, path, progress, size: () => sizeWhile(progress, size) };
  const packed = await packAndCheck({ deps }, source, target, () => true);
  if (!packed) return new MoveError('EAGAIN', CHANGED);
  try {
    return (await problemOf(files[file])) ?? attempt(() => use.add(file, packed));
  } finally {
    // No effect where it was added.
    await packed.job.abort();
  }
}

function sizeWhile({ cancelled }: Progress, size: number): number {
  if (cancelled) throw new MoveCancelled('it was cancelled');
  return size;
}

function headOf(path: string, size: number): Promise<Buffer> {
  const length = Math.min(HEAD_BYTES, size);
  return withFile(path, O_RDONLY | O_NOATIME | O_NOFOLLOW | O_NONBLOCK, (fd) =>
    native.read(fd, 0, length),
  );
}

const CHANGED = 'it was changed while it was read';

/** Why what was read there is not the file that was meant; undefined where it is. */
async function problemOf(file: OutsideFile): Promise<Error | undefined> {
  try {
    const found = await lstat(file.path, { bigint: true });
    return isSame(file, found) ? undefined : new MoveError('EAGAIN', CHANGED);
  } catch (error) {
    return error as Error;
  }
}

function isSame(file: OutsideFile, found: BigIntStats): boolean {
  const mtime = BigInt(file.mtimeSec) * NANOSECONDS + BigInt(file.mtimeNsec);
  if (!found.isFile() || found.mtimeNs !== mtime) return false;
  return (
    Number(found.dev) === file.dev &&
    Number(found.ino) === file.ino &&
    Number(found.size) === file.size
  );
}

const NANOSECONDS = 1_000_000_000n;
