/**
 * What the steps have in common that move many small files at once, where a step for each file would cost more than its
 * bytes. Their order is that of a single move (README.md here).
 *
 * Only what goes as expected is done here. A file that is open, changed meanwhile, can't be read or does not read back
 * right is left as it was, and its move goes the usual way, which waits, tries again, or says what is wrong.
 */
import { dirname } from 'node:path';
import { giveWay } from '../content/turns.js';
import type { Inode } from '../namespace/types.js';
import { type CopyControl, type FileGroup, native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { setAside } from './backing.js';
import { MoveError } from './deps.js';
import type { Move, MoveContext } from './move.js';

/** Bytes. Longer files are worth a step of their own. */
export const MOST_BYTES = 1 << 20;
const DIGEST_BYTES = 16;
/** Files switched in one turn. */
const SLICE = 64;
const ENOENT = 2;

/** One file of a group, as it was when the work on it began. */
export interface Member {
  move: Move;
  /** Of its backing file; undefined where it is only packed. */
  source: Tier | undefined;
  size: number;
  /** Change count: an equal one means equal bytes. */
  count: number;
  /** Of what was packed last, hex. */
  digest: string;
}

/** Its new place is durable; what it replaced is to be released. */
export interface Switched {
  member: Member;
  /** Of its journal record. */
  key: Buffer;
}

/** Of moves that switched: why an old copy is still there. The next start removes it. */
export type Leftovers = Map<Move, Error>;

/** Those that nobody has open, whose bytes are recorded, and that `fits` takes. */
export async function membersOf(
  ctx: MoveContext,
  moves: readonly Move[],
  fits: (inode: Inode) => boolean,
): Promise<Member[]> {
  const { activity, namespace } = ctx.deps;
  const closed = moves.filter(({ ino, switched }) => !switched && !isOpen(ctx, ino));
  const unsettled = closed.filter(({ ino }) => namespace.get(ino)?.unsettled);
  if (unsettled.length > 0) await activity.settle(unsettled.map(({ ino }) => ino));
  return closed.flatMap((move) => memberOf(ctx, move, fits) ?? []);
}

function memberOf(
  ctx: MoveContext,
  move: Move,
  fits: (inode: Inode) => boolean,
): Member | undefined {
  const { activity, namespace, tiers } = ctx.deps;
  const inode = namespace.get(move.ino);
  if (leaves(move) || !inode || inode.nlink === 0 || inode.unsettled) return undefined;
  if (isOpen(ctx, move.ino)) return undefined;
  const { size, plainTier, digest } = inode;
  if (size === 0 || size >= MOST_BYTES || !fits(inode)) return undefined;
  const source = tiers.byId(plainTier);
  if (plainTier !== 0 && (!source || source.state === 'missing')) return undefined;
  return { move, source, size, count: activity.changeCount(move.ino), digest };
}

function isOpen({ deps }: MoveContext, ino: number): boolean {
  return deps.activity.handles(ino).total > 0;
}

/** Its move is cancelled, or a program waits for its file. */
const leaves = ({ cancelled, allowOpen }: Move): boolean => cancelled || allowOpen;

/** A native step that ends early where one of the files leaves the group: the others go on by themselves. */
export async function together<T>(
  members: readonly Member[],
  step: (control: CopyControl) => Promise<T>,
): Promise<T> {
  const control = native.createCopyControl();
  for (const { move } of members) {
    move.control = control;
    if (leaves(move)) control.cancel();
  }
  try {
    return await step(control);
  } finally {
    for (const { move } of members) move.control = null;
  }
}

/** Reads the backing files. */
export function readPlain({ deps }: MoveContext, members: readonly Member[]): Promise<FileGroup> {
  const paths = members.map(({ move, source }) => deps.tiers.backingPath(source!, move.ino));
  return together(members, (control) => native.readFiles(paths, lengthsOf(members), control));
}

/** Reads the packed forms. `fromMedium`: nothing may come from memory. @throws EIO where one of them is damaged */
export async function readPacked(
  { deps }: MoveContext,
  members: readonly Member[],
  fromMedium: boolean,
): Promise<FileGroup> {
  const plan = await deps.content.openTogether(members.map(({ move }) => move.ino));
  try {
    return await together(members, (control) =>
      native.readPlanFiles(plan, lengthsOf(members), fromMedium, control),
    );
  } finally {
    plan.close();
  }
}

function lengthsOf(members: readonly Member[]): Uint32Array {
  return Uint32Array.from(members, ({ size }) => size);
}

/** Hex. */
export function digestAt({ digests }: FileGroup, file: number): string {
  return digests.toString('hex', file * DIGEST_BYTES, (file + 1) * DIGEST_BYTES);
}

/**
 * Runs the work up to the switch under a journal record for each file, then makes the switches durable. `target`: where
 * plain copies are built, undefined where the target form is packed. What is not switched leaves nothing behind.
 */
export async function journaledTogether(
  ctx: MoveContext,
  members: readonly Member[],
  target: Tier | undefined,
  untilSwitched: () => Promise<void>,
): Promise<Switched[]> {
  const { journal, deps } = ctx;
  const records = await Promise.all(
    members.map(async (member) => {
      const { move, source } = member;
      const record = { ino: move.ino, source: source?.id ?? 0, target: target?.id ?? 0 };
      return { member, key: await journal.begin(record) };
    }),
  );
  try {
    await untilSwitched();
  } finally {
    const left = records.filter(({ member }) => !member.move.switched);
    await abandon(ctx, left, target);
  }
  const switched = records.filter(({ member }) => member.move.switched);
  if (switched.length === 0) return [];
  // The entries of the new backing files first, then the transaction that refers to them.
  if (target) await syncDirectories(ctx, switched, target);
  await deps.store.commit();
  return switched;
}

/** Removes what was built; a record of what can't be removed stays. */
async function abandon(
  { journal, deps }: MoveContext,
  left: readonly Switched[],
  target: Tier | undefined,
): Promise<void> {
  const paths = target
    ? left.map(({ member }) => deps.tiers.incomingPath(target, member.move.ino))
    : [];
  const results = await native.removeFiles(paths);
  left.forEach(({ key }, i) => {
    const result = target ? results[i] : 0;
    if (result === 0 || result === -ENOENT) journal.end(key);
  });
}

async function syncDirectories(
  { deps }: MoveContext,
  switched: readonly Switched[],
  target: Tier,
): Promise<void> {
  const paths = switched.map(({ member }) => deps.tiers.backingPath(target, member.move.ino));
  const directories = new Set(paths.map((path) => dirname(path)));
  await Promise.all(Array.from(directories, (path) => native.syncDirectory(path)));
}

/**
 * The last check of each file and its switch are one turn. `apply` gives the inode its new place, and says whether it
 * could.
 */
export async function switchTogether(
  ctx: MoveContext,
  members: readonly Member[],
  apply: (inode: Inode, member: number) => boolean,
): Promise<void> {
  const { activity, namespace } = ctx.deps;
  // By inode number: in that order the database fills its pages.
  const order = [...members.keys()].sort((a, b) => members[a].move.ino - members[b].move.ino);
  for (const [turn, i] of order.entries()) {
    const { move } = members[i];
    const inode = namespace.get(move.ino);
    if (inode && isUnchanged(ctx, members[i], inode) && apply(inode, i)) {
      move.switched = true;
      namespace.update(inode);
      activity.moved(move.ino, 'data');
    }
    if (turn % SLICE === SLICE - 1) await giveWay();
  }
}

function isUnchanged(ctx: MoveContext, member: Member, inode: Inode): boolean {
  const { move, source, count, size, digest } = member;
  if (inode.nlink === 0 || leaves(move) || isOpen(ctx, move.ino)) return false;
  if (inode.plainTier !== (source?.id ?? 0) || inode.size !== size) return false;
  return inode.digest === digest && ctx.deps.activity.changeCount(move.ino) === count;
}

/** Removes the backing files that were replaced, and ends the records of the journal. */
export async function releaseTogether(
  ctx: MoveContext,
  switched: readonly Switched[],
): Promise<Leftovers> {
  const left: Leftovers = new Map();
  const released: { move: Move; path: string }[] = [];
  for (const { move, source } of switched.map(({ member }) => member)) {
    if (!source) continue;
    try {
      const path = setAside(ctx, source, move.ino);
      if (path) released.push({ move, path });
    } catch (error) {
      left.set(move, error as Error);
    }
  }
  const results = await native.removeFiles(released.map(({ path }) => path));
  released.forEach(({ move }, i) => {
    if (results[i] === 0) return;
    left.set(move, new MoveError('EIO', `its old copy can't be removed (errno ${-results[i]})`));
  });
  for (const { member, key } of switched) if (!left.has(member.move)) ctx.journal.end(key);
  return left;
}
