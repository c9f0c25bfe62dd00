/**
 * Packs files that lie outside of the volume: their bytes go to packs at once, and never to a backing file. The order is
 * that of a move (README.md here); instead of a switch the caller makes the inode, in the turn that names it.
 */
import { constants } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { errnoName } from '../config/errors.js';
import { bytesOf } from '../config/mountinfo.js';
import { giveWay } from '../content/turns.js';
import type { PackedFile } from '../content/types.js';
import { native, Stat, type Xattr } from '../native.js';
import { HEAD_BYTES } from '../policy/classify.js';
import type { Tier } from '../tiers/types.js';
import { statOf, withFile } from './backing.js';
import { type MigrationDeps, MoveCancelled, MoveError } from './deps.js';
import { MOST_BYTES } from './group.js';
import { controlled, type Progress, writableTier } from './move.js';
import { type GroupSource, packGroup, type PackedMember } from './pack-group.js';
import { packAndCheck, type PackedCopy, type PackingSource } from './packed-copy.js';

/**
 * A regular file as lstat(2) describes it. One with other values is not the same, or was changed meanwhile: others may move
 * theirs to its path at any time, so it is compared with what is open.
 */
export interface OutsideFile {
  path: string;
  /** Permissions with set-id bits. */
  mode: number;
  uid: number;
  gid: number;
  dev: number;
  ino: number;
  /** Bytes. */
  size: number;
  /** Time of modification. */
  mtimeSec: number;
  mtimeNsec: number;
}

/** A packed form that equals the file; nothing refers to it before `commitRecipe`. */
export type PackedOutside = PackedFile & Pick<PackedCopy, 'digest'> & { xattrs: readonly Xattr[] };

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
  /** Whether something is under way that will be on this tier. */
  packsOn(tier: string): boolean;
  /** Ends what is under way. Resolves when nothing is packed any more. */
  close(): Promise<void>;
}

export type IntakeProgress = Progress & { total: number };

const { O_RDONLY, O_NOATIME, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Inodes made in one turn. */
const SLICE = 64;

export function createIntake(
  deps: MigrationDeps,
  unpaused: <T>(work: () => Promise<T>) => Promise<T>,
): Intake {
  const running = new Map<IntakeProgress, { tier: string; taking: Promise<unknown> }>();
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
      running.set(progress, { tier, taking });
      try {
        return await taking;
      } finally {
        running.delete(progress);
      }
    },
    packsOn: (tier) => Array.from(running.values()).some((one) => one.tier === tier),
    async close() {
      closed = true;
      for (const progress of running.keys()) cancel(progress);
      await Promise.allSettled(Array.from(running.values(), ({ taking }) => taking));
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
    identities: Float64Array.from(files.flatMap(({ dev, ino }) => [dev, ino])),
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
  const found = await lookAgain(packed.map(({ file }) => files[file]));
  for (const [turn, member] of packed.entries()) {
    results.set(member.file, addIfSame(found[turn], member, use, member.file));
    if (turn % SLICE === SLICE - 1) await giveWay();
  }
}

function addIfSame(
  xattrs: readonly Xattr[] | Error,
  { recipe, storedBytes, digest }: Omit<PackedOutside, 'xattrs'>,
  use: IntakeUse,
  file: number,
): IntakeResult {
  if (xattrs instanceof Error) return xattrs;
  try {
    use.add(file, { recipe, storedBytes, digest, xattrs });
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
      const [found] = await lookAgain([work.files[file]]);
      results.push(found instanceof Error ? found : (error as Error));
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
  const { size } = files[file];
  if (!use.wants(file, await headOf(files[file]))) return 'left';
  const source: PackingSource = {
    ino: 0,
    withFile: (read) => withOutside(files[file], read),
    progress,
    size: () => sizeWhile(progress, size),
  };
  const packed = await packAndCheck({ deps }, source, target, () => true);
  if (!packed) return changed();
  try {
    const [found] = await lookAgain([files[file]]);
    return addIfSame(found, packed, use, file);
  } finally {
    // No effect where it was added.
    await packed.job.abort();
  }
}

function sizeWhile({ cancelled }: Progress, size: number): number {
  if (cancelled) throw new MoveCancelled('it was cancelled');
  return size;
}

function headOf(file: OutsideFile): Promise<Buffer> {
  return withOutside(file, (fd) => native.read(fd, 0, Math.min(HEAD_BYTES, file.size)));
}

/** Opens it for the time of `use`. @throws MoveError where something else is there */
function withOutside<T>(file: OutsideFile, use: (fd: number) => Promise<T>): Promise<T> {
  return withFile(file.path, O_RDONLY | O_NOATIME | O_NOFOLLOW | O_NONBLOCK, async (fd) => {
    if (!isSame(file, statOf(fd))) throw changed();
    return use(fd);
  });
}

const changed = (): MoveError => new MoveError('EAGAIN', 'it was changed while it was read');

/** Of what was read the extended attributes, or why it is not the file that was meant. */
async function lookAgain(files: readonly OutsideFile[]): Promise<(readonly Xattr[] | Error)[]> {
  const { stats, xattrs } = await native.describeFiles(files.map(({ path }) => bytesOf(path)));
  return files.map((file, i) => {
    const stat = stats.subarray(i * Stat.length, (i + 1) * Stat.length);
    if (stat[Stat.mode] < 0) return errorOf(stat[Stat.mode]);
    return isSame(file, stat) ? xattrs[i] : changed();
  });
}

/** ELOOP: a symbolic link is there now. */
function errorOf(errno: number): Error {
  const code = getSystemErrorName(errno);
  return code === 'ELOOP' ? changed() : Object.assign(new Error(code), { code });
}

/** Owner and mode as well: it must not be open to more people in the volume than it is outside. */
function isSame(file: OutsideFile, stat: Float64Array): boolean {
  const { dev, ino, size, mode, uid, gid, mtimeSec, mtimeNsec } = file;
  const found = [Stat.dev, Stat.ino, Stat.size, Stat.mode, Stat.uid, Stat.gid].map(
    (at) => stat[at],
  );
  const meant = [dev, ino, size, S_IFREG | mode, uid, gid];
  return (
    meant.every((value, i) => value === found[i]) &&
    stat[Stat.mtimeSec] === mtimeSec &&
    stat[Stat.mtimeNsec] === mtimeNsec
  );
}

const S_IFREG = 0o100000;
