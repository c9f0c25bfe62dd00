/**
 * Answers `drain`: empties a tier, so that it can be taken out of the volume. It takes nothing new meanwhile, nor afterwards
 * until the volume is unmounted.
 *
 * In rounds, since programs go on using the volume: 1. plain files move; of those that are packed as well the plain copy
 * goes; 2. what is live in packs moves, whichever files it is of; 3. what is garbage is given back; 4. what is left is
 * counted anew. It ends when nothing is, or when rounds change nothing any more.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CoralError, ExitCode, usageError } from '../../config/errors.js';
import { shown } from '../../config/mountinfo.js';
import { walkInodes } from '../../integrity/walks.js';
import type { Job } from '../../migration/types.js';
import { pinOf } from '../../namespace/pins.js';
import type { Inode } from '../../namespace/types.js';
import type { CopyControl } from '../../native.js';
import type { Tier } from '../../tiers/types.js';
import type { Handler, Progress } from '../control.js';
import type { DrainDocument, MoveProgress } from '../documents.js';
import type { Parts } from '../parts.js';
import { mustBeWritable, namedTier, textArgument, tierArgument } from './find.js';
import { follow } from './move.js';

/** Between rounds: deleted files are let go meanwhile. */
const ROUND_MS = 1000;
/** Rounds that change nothing before it is given up. */
const TRIES = 5;
const PROGRESS_MS = 500;

interface Drain {
  parts: Parts;
  from: Tier;
  to: Tier;
  stopping: CopyControl;
  progress: Progress;
  /** Since it began: files and their bytes, and bytes of packs. */
  moved: { bytes: number; packedBytes: number };
  /** Inode numbers of those that were there. */
  files: Set<number>;
  /** Whether the last round changed anything, or something is waited for. */
  changed: boolean;
  /** Why a file did not move in it. */
  failure: string | null;
}

/** `stopping` is cancelled when the volume is unmounted. One tier at a time. */
export function createDrain(parts: Parts, stopping: CopyControl): Handler {
  let busy: Tier | undefined;
  return async (args, progress) => {
    mustBeWritable(parts);
    const [from, to] = tiersFor(parts, args);
    if (busy) throw failed(`tier ${busy.name} is being emptied already. Wait until that has ended`);
    busy = from;
    try {
      await refusePins(parts, from);
      return await drain({
        parts,
        from,
        to,
        stopping,
        progress,
        moved: { bytes: 0, packedBytes: 0 },
        files: new Set(),
        changed: false,
        failure: null,
      });
    } finally {
      busy = undefined;
    }
  };
}

/** @throws CoralError */
function tiersFor({ tiers }: Parts, args: Record<string, unknown>): [Tier, Tier] {
  const from = namedTier(tiers, textArgument(args, 'tier'));
  const to = tierArgument(tiers, args);
  if (to === undefined) throw usageError(`say where all that is on ${from.name} is to go: --to`);
  if (to === from) throw usageError(`tier ${from.name} can't be emptied to itself. Name another`);
  for (const { state, problem, name } of [from, to]) {
    if (state === 'ok' || (state === 'full' && name === from.name)) continue;
    throw failed(`tier ${from.name} can't be emptied: ${problem ?? `tier ${name} is ${state}`}`);
  }
  return [from, to];
}

/** A pin would bring its files back at the next mount, and there is no tier then. */
async function refusePins({ namespace, plan }: Parts, from: Tier): Promise<void> {
  const paths: string[] = [];
  for await (const { ino, pin } of walkInodes(namespace)) {
    if (pin === from.id) paths.push(`${plan.mountpoint}${shown(namespace.pathOf(ino) ?? '')}`);
  }
  if (paths.length === 0) return;
  const more = paths.length === 1 ? '' : ` and ${paths.length - 1} more`;
  throw failed(
    `tier ${from.name} can't be emptied: ${paths[0]}${more} is pinned to it. First: coral-reef unpin ${paths[0]}`,
  );
}

async function drain(work: Drain): Promise<DrainDocument> {
  const { parts, from, to, moved, files } = work;
  parts.tiers.setDraining(from, true);
  try {
    for (let idle = 0; !(await isEmptied(work)); idle++) {
      if (work.changed) idle = 0;
      if (idle === TRIES) throw await stuck(work);
      await delay(ROUND_MS);
    }
    await parts.store.commit();
    return {
      mountpoint: parts.plan.mountpoint,
      tier: from.name,
      to: to.name,
      files: files.size,
      ...moved,
    };
  } catch (error) {
    parts.tiers.setDraining(from, false);
    throw error;
  }
}

/** One round. @returns whether nothing is left */
async function isEmptied(work: Drain): Promise<boolean> {
  const { filesystem, content } = work.parts;
  const before = sumOf(work);
  const steps = [
    () => movePlain(work),
    () => movePacked(work),
    () => relabel(work),
    () => filesystem.releaseDeleted(),
    () => content.reclaimAll(),
  ];
  for (const step of steps) {
    await untilAllowed(work);
    await step();
  }
  checkGoingOn(work);
  const left = await leftOn(work);
  checkGoingOn(work);
  // A deleted file that a program has open goes when it is closed, and a move or import that began before comes to an end.
  const waits = (left.files > 0 && left.files === left.deleted) || isArriving(work);
  if (waits) tell(work, { for: 'open', text: `${left.path ?? work.from.name} is still in use` });
  work.changed = waits || sumOf(work) !== before;
  return !waits && left.files === 0 && bytesOn(work) === 0 && packsOn(work).length === 0;
}

/** Grows with all that happens. */
const sumOf = ({ moved, files }: Drain): number => moved.bytes + moved.packedBytes + files.size;

function isArriving({ parts, from }: Drain): boolean {
  const { migration } = parts;
  if (migration.intake.packsOn(from.name)) return true;
  const { running } = migration.status();
  return running.some(({ kind, tier }) => kind !== 'share' && tier === from.name);
}

/** After each wait: from then on nothing may be touched. @throws CoralError */
function checkGoingOn({ stopping, to }: Drain): void {
  if (stopping.cancelled) throw failed('the volume is being unmounted');
  if (to.state !== 'ok') throw failed(to.problem ?? `tier ${to.name} is ${to.state}`);
}

async function untilAllowed(work: Drain): Promise<void> {
  const { plan, migration } = work.parts;
  for (;;) {
    checkGoingOn(work);
    const { mountpoint, settings } = plan;
    if (!settings.mount.readOnly && migration.status().state !== 'paused') return;
    const way = settings.mount.readOnly
      ? `mount -o remount,rw ${mountpoint}`
      : `coral-reef migration resume ${mountpoint}`;
    tell(work, { for: 'paused', text: `moves stand still; ${way} lets them go on` });
    await delay(ROUND_MS);
  }
}

function tell({ progress, moved, files }: Drain, waits: MoveProgress['waits']): void {
  const [{ bytes }, { size }] = [moved, files];
  progress({
    done: bytes,
    total: bytes,
    finished: size,
    files: size,
    waits,
  } satisfies MoveProgress);
}

async function movePlain(work: Drain): Promise<void> {
  const { parts, from, moved } = work;
  const jobs: Job[] = [];
  for await (const { ino, plainTier } of walkInodes(parts.namespace)) {
    if (plainTier !== from.id) continue;
    checkGoingOn(work);
    // Looked up anew: the walk goes in slices.
    const inode = parts.namespace.get(ino);
    if (inode && inode.nlink > 0 && inode.plainTier === from.id) jobs.push(submit(work, inode));
  }
  work.failure = null;
  await follow(parts, jobs, parts.plan.mountpoint, work.progress).catch((error: unknown) => {
    work.failure = (error as Error).message;
  });
  for (const { state, total, ino } of jobs) {
    if (state !== 'done') continue;
    work.files.add(ino);
    moved.bytes += total;
  }
}

/** Of a file that is packed as well the plain copy is not needed. */
function submit({ parts, from, to }: Drain, inode: Inode): Job {
  const { namespace, tiers, migration } = parts;
  const packed = inode.packedTier === from.id ? to : tiers.byId(inode.packedTier);
  const pack = packed?.state === 'ok' && pinOf(namespace, inode.ino) === 0;
  const target = pack ? packed : to;
  const down = tiers.tiers.indexOf(from) < tiers.tiers.indexOf(target);
  const options = { pack, because: `tier ${from.name} is being emptied`, urgent: true };
  return migration.submit(pack || down ? 'demote' : 'promote', inode.ino, target.name, options);
}

async function movePacked(work: Drain): Promise<void> {
  const { parts, from, to, stopping, moved } = work;
  const total = liveOn(work);
  const timer = setInterval(() => {
    const done = Math.max(0, total - liveOn(work));
    const files = { finished: work.files.size, files: work.files.size };
    work.progress({ done, total, ...files, waits: null } satisfies MoveProgress);
  }, PROGRESS_MS);
  try {
    moved.packedBytes += await parts.content.evacuate(from.id, to.id, stopping);
  } catch (error) {
    checkGoingOn(work);
    work.failure ??= (error as Error).message;
  } finally {
    clearInterval(timer);
  }
  checkGoingOn(work);
}

/** Where the packed form of a file lies, once none lies here. Open handles keep their plan, whose packs stay readable. */
async function relabel(work: Drain): Promise<void> {
  const { parts, from, to } = work;
  const { namespace, filesystem } = parts;
  if (liveOn(work) > 0) return;
  for await (const { ino, packedTier } of walkInodes(namespace)) {
    if (packedTier !== from.id) continue;
    checkGoingOn(work);
    const inode = namespace.get(ino);
    if (inode?.packedTier !== from.id || liveOn(work) > 0) continue;
    inode.packedTier = to.id;
    namespace.update(inode);
    work.files.add(ino);
    if (filesystem.activity.handles(ino).total === 0) filesystem.activity.moved(ino, 'attributes');
  }
}

const packsOn = ({ parts, from }: Drain) =>
  parts.content.packs().filter(({ tier }) => tier === from.id);

const liveOn = (work: Drain): number => packsOn(work).reduce((sum, { live }) => sum + live, 0);

function bytesOn({ parts, from }: Drain): number {
  const { plainBytes, packedBytes } = parts.tiers.usage(from);
  return plainBytes + packedBytes;
}

interface Left {
  files: number;
  /** Those without a name: a program has them open. */
  deleted: number;
  /** One of them, as a person names it. */
  path: string | null;
}

async function leftOn({ parts, from }: Drain): Promise<Left> {
  const { namespace, plan } = parts;
  const left: Left = { files: 0, deleted: 0, path: null };
  for await (const { ino, plainTier, packedTier, nlink } of walkInodes(namespace)) {
    if (plainTier !== from.id && packedTier !== from.id) continue;
    left.files += 1;
    if (nlink === 0) left.deleted += 1;
    const path = nlink === 0 ? undefined : namespace.pathOf(ino);
    left.path ??= path === undefined ? 'a deleted file' : `${plan.mountpoint}${shown(path)}`;
  }
  return left;
}

/** What is still there, and why as far as that is known. */
async function stuck(work: Drain): Promise<CoralError> {
  const { from, failure } = work;
  const { files, path } = await leftOn(work);
  const packs = packsOn(work);
  const what = [
    ...(files > 0 ? [`${files} file${files === 1 ? '' : 's'} (${path})`] : []),
    ...(packs.length > 0 ? [`${packs.length} pack${packs.length === 1 ? '' : 's'}`] : []),
  ];
  const reason =
    failure ??
    (liveOn(work) > 0
      ? 'what is in the packs is damaged: coral-reef scrub mends it, or fsck --deep names the files'
      : 'if no newer copy of the namespace is to be had: coral-reef gc --unknown');
  return failed(
    `tier ${from.name} could not be emptied: ${what.join(' and ') || `${bytesOn(work)} bytes`} stay there: ${reason}`,
  );
}

function failed(message: string): CoralError {
  return new CoralError(ExitCode.failed, message);
}
