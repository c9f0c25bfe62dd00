/**
 * Answers `import`: packs files from outside of the mount and gives each its inode. What is not to be packed is left to
 * the client, which copies it through the mount as any program would.
 */
import { CoralError, errnoName, ExitCode, reasonOf, usageError } from '../../config/errors.js';
import type { FileClass } from '../../config/file-class.js';
import { bytesOf, mountAt, mountOf, readMounts, shown } from '../../config/mountinfo.js';
import { MoveError } from '../../migration/deps.js';
import {
  cancel,
  type IntakeProgress,
  type IntakeResult,
  type IntakeUse,
  type OutsideFile,
  type PackedOutside,
} from '../../migration/intake.js';
import type { Xattr } from '../../native.js';
import { pinOf } from '../../namespace/pins.js';
import { classifyByContent, classifyByPath } from '../../policy/classify.js';
import type { Progress } from '../control.js';
import type { ImportAnswer, ImportedFile, ImportProgress } from '../documents.js';
import type { Parts } from '../parts.js';
import { findTarget, isDirectory, mustBeWritable, tierArgument } from './find.js';

const PROGRESS_MS = 200;

const SET_ID = 0o6000;

type Use = IntakeUse & Record<'refused' | 'poorer', ReadonlySet<number>>;

type Answered = ImportAnswer['files'][number];

interface Parent {
  ino: number;
  pinned: boolean;
}

/** A file that is to be packed, unless its content says something else. */
interface Candidate {
  file: ImportedFile;
  /** Inode number of its directory. */
  parent: number;
  name: string;
  fileClass: FileClass;
  /** Name of the tier that it is packed on. */
  tier: string;
}

/** `gone`: nobody waits for the answer any more. */
export async function importFiles(
  parts: Parts,
  args: Record<string, unknown>,
  progress: Progress,
  gone: AbortSignal,
): Promise<ImportAnswer> {
  mustBeWritable(parts);
  const files = filesOf(args);
  refuseOwn(parts, files);
  const to = tierArgument(parts.tiers, args)?.name;
  const candidates = candidatesOf(parts, files, to);
  const work: IntakeProgress = { done: 0, total: 0, cancelled: gone.aborted, control: null };
  const stop = (): void => cancel(work);
  gone.addEventListener('abort', stop);
  const timer = setInterval(() => {
    // Read-only means that nothing is written to the tiers either.
    if (parts.plan.settings.mount.readOnly) stop();
    progress(progressOf(work));
  }, PROGRESS_MS);
  try {
    return await takeAll(parts, files, candidates, work);
  } finally {
    clearInterval(timer);
    gone.removeEventListener('abort', stop);
  }
}

function filesOf({ files }: Record<string, unknown>): readonly ImportedFile[] {
  if (Array.isArray(files) && files.length > 0) return files as ImportedFile[];
  throw usageError('the request lacks "files"');
}

/** To read them would have the daemon wait for itself. */
function refuseOwn({ plan }: Parts, files: readonly ImportedFile[]): void {
  const mounts = readMounts();
  const own = mountAt(mounts, bytesOf(plan.mountpoint))?.device;
  const inside = files.find(({ source }) => mountOf(mounts, source)?.device === own);
  if (inside === undefined) return;
  throw usageError(`${shown(inside.source)}: it is on ${plan.mountpoint} already; copy it with cp`);
}

/** Without those that rules or a pin keep plain, empty ones, and those that have no directory any more. */
function candidatesOf(
  parts: Parts,
  files: readonly ImportedFile[],
  to: string | undefined,
): Candidate[] {
  const parents = new Map<string, Parent | undefined>();
  return files.flatMap((file) => {
    const slash = file.path.lastIndexOf('/');
    const [above, name] = [file.path.slice(0, slash), file.path.slice(slash + 1)];
    if (!parents.has(above)) parents.set(above, directoryAt(parts, above));
    const parent = parents.get(above);
    // Native code takes paths as text.
    if (!parent || file.size === 0 || parent.pinned || bytesOf(shown(file.source)) !== file.source)
      return [];
    const fileClass = classifyByPath(shown(file.path));
    const { pack, cold } = placementOf(parts, file, fileClass);
    return pack ? [{ file, parent: parent.ino, name, fileClass, tier: to ?? cold }] : [];
  });
}

/** Undefined where it was renamed or removed meanwhile: the client will hear that for each file. */
function directoryAt({ namespace }: Parts, path: string): Parent | undefined {
  try {
    const { inode } = findTarget(namespace, { path });
    if (!isDirectory(inode)) return undefined;
    return { ino: inode.ino, pinned: pinOf(namespace, inode.ino) !== 0 };
  } catch (error) {
    if (error instanceof CoralError) return undefined;
    throw error;
  }
}

function placementOf({ rules }: Parts, { path, size }: ImportedFile, fileClass: FileClass) {
  return rules.placementFor({ path: shown(path), size, fileClass });
}

async function takeAll(
  parts: Parts,
  files: readonly ImportedFile[],
  candidates: readonly Candidate[],
  work: IntakeProgress,
): Promise<ImportAnswer> {
  const results = new Map<ImportedFile, Answered>();
  for (const tier of new Set(candidates.map((candidate) => candidate.tier))) {
    const those = candidates.filter((candidate) => candidate.tier === tier);
    try {
      const taken = await take(parts, those, tier, work);
      those.forEach(({ file }, i) => results.set(file, taken[i]));
    } finally {
      // Some may have got their names before it failed.
      await parts.filesystem.showAdded(new Set(those.map(({ parent }) => parent)));
    }
  }
  return { files: files.map((file) => results.get(file) ?? { state: 'left' }) };
}

/** @throws CoralError with what would befall any other file as well */
async function take(
  parts: Parts,
  candidates: readonly Candidate[],
  tier: string,
  work: IntakeProgress,
): Promise<Answered[]> {
  const outside = candidates.map(({ file }): OutsideFile => ({
    ...file,
    path: shown(file.source),
  }));
  const use = useOf(parts, candidates);
  try {
    const results = await parts.migration.intake.take(outside, tier, use, work);
    return results.map((result, i) => answerOf(result, i, use));
  } catch (error) {
    mustBeWritable(parts);
    const why = error instanceof MoveError ? error.message : reasonOf(error);
    throw new CoralError(ExitCode.failed, `${outside[0].path}: ${why}`, { cause: error });
  }
}

/** `refused`: files that could not be given their names; `poorer`: those that lost an extended attribute. */
function useOf(parts: Parts, candidates: readonly Candidate[]): Use {
  const refused = new Set<number>();
  const poorer = new Set<number>();
  return {
    refused,
    poorer,
    wants(i, head) {
      const candidate = candidates[i];
      const byContent = classifyByContent(head, shown(candidate.file.path));
      // As its path says: that is how it came to be a candidate.
      if (byContent === 'other' || byContent === candidate.fileClass) return true;
      candidate.fileClass = byContent;
      return placementOf(parts, candidate.file, candidate.fileClass).pack;
    },
    add(i, packed) {
      refused.add(i);
      if (!add(parts, candidates[i], packed)) poorer.add(i);
      refused.delete(i);
    },
  };
}

function add(
  parts: Parts,
  { file, parent, name, fileClass, tier }: Candidate,
  { recipe, storedBytes, digest, xattrs }: PackedOutside,
): boolean {
  mustBeWritable(parts);
  const { uid, gid, mode } = keptOwner(file);
  const { atimeSec, atimeNsec, mtimeSec, mtimeNsec } = file;
  const packedTier = parts.tiers.byName(tier)!.id;
  return parts.filesystem.addPacked({
    ...{ parent, name, fileClass, mode, uid, gid, atimeSec, atimeNsec, mtimeSec, mtimeNsec },
    ...{ recipe, digest, packedTier, packedBytes: storedBytes, xattrs: xattrs.filter(isKept) },
  });
}

const self = { uid: process.geteuid!(), gid: process.getegid!(), groups: process.getgroups!() };

/** Only root gives files away; set-id bits would mean somebody else. */
function keptOwner({ uid, gid, mode }: ImportedFile): Pick<ImportedFile, 'uid' | 'gid' | 'mode'> {
  if (self.uid === 0) return { uid, gid, mode };
  const isMember = gid === self.gid || self.groups.includes(gid);
  if (uid === self.uid && isMember) return { uid, gid, mode };
  return { uid: self.uid, gid: isMember ? gid : self.gid, mode: mode & ~SET_ID };
}

/** As setxattr(2) would have it of this process. */
const isKept = ({ name }: Xattr): boolean =>
  self.uid === 0 || name.startsWith('user.') || name.startsWith('system.');

function answerOf(result: IntakeResult, i: number, { refused, poorer }: Use): Answered {
  if (result === 'left') return { state: result };
  if (result === 'packed') return { state: result, keptAll: !poorer.has(i) };
  const step = refused.has(i) ? 'write' : 'read';
  return { state: 'failed', step, error: reasonOf(result), code: errnoName(result) ?? '' };
}

/** All bytes are read, and read back. */
function progressOf({ done, total, control }: IntakeProgress): ImportProgress {
  return { share: total === 0 ? 0 : Math.min(1, (done + (control?.done ?? 0)) / total) };
}
