/**
 * Packs small files together: each step is one for all of them, where one for each file would cost more than its bytes.
 * The order of the steps is that of a single move (README.md here).
 *
 * Only what goes as expected is done here. A file that is open, changed meanwhile, can't be read or does not read back
 * right is left as it was, and its move goes the usual way, which waits, tries again, or says what is wrong.
 */
import { cuttingOf, type Cutting, type ReadBytes } from '../content/tensors.js';
import { giveWay } from '../content/turns.js';
import type { PackedTogether } from '../content/types.js';
import type { CopyControl, FileGroup, GroupBatch } from '../native.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { setAside } from './backing.js';
import { encodingFor } from './compression.js';
import { MoveError } from './deps.js';
import { jumpRateFor } from './fragmentation.js';
import { makesPacked } from './job.js';
import { checkRoom, type Move, type MoveContext, writableTarget } from './move.js';
import { isPacked, switchToPacked } from './packed.js';

/** Bytes. Longer files are worth a step of their own. */
const MOST_BYTES = 1 << 20;
/** Of all files of a group. */
const GROUP_BYTES = 4 << 20;
const GROUP_FILES = 256;
const DIGEST_BYTES = 16;
/** Files switched in one turn. */
const SLICE = 64;

/** One file of a group. */
interface Member {
  move: Move;
  source: Tier;
  size: number;
  /** Change count: an equal one means equal bytes. */
  count: number;
}

/** A member that is read and cut. */
interface Read extends Member {
  digest: string;
}

/** Whether the move may be one of a group. */
function fitsGroup(move: Move): boolean {
  return makesPacked(move) && !move.allowOpen && move.total > 0 && move.total < MOST_BYTES;
}

/** How many of the moves, from the first on, make a group. */
export function groupLength(moves: Iterable<Move>): number {
  let count = 0;
  let bytes = 0;
  let tier: string | undefined;
  for (const move of moves) {
    bytes += move.total;
    tier ??= move.tier;
    const fits = fitsGroup(move) && move.tier === tier && bytes <= GROUP_BYTES;
    if (!fits || count === GROUP_FILES) break;
    count++;
  }
  return count;
}

/** Of moves that switched: why an old copy is still there. The next start removes it. */
export type Leftovers = ReadonlyMap<Move, Error>;

/** Packs what it can: `switched` of each move tells. @throws what went wrong with all that are left */
export async function packTogether(ctx: MoveContext, moves: readonly Move[]): Promise<Leftovers> {
  const target = await writableTarget(ctx, moves[0]);
  const members = await settled(ctx, moves);
  if (members.length === 0) return new Map();
  const keys = await Promise.all(
    members.map(({ move: { ino }, source }) =>
      ctx.journal.begin({ ino, source: source.id, target: 0 }),
    ),
  );
  try {
    await packAndSwitch(ctx, members, target);
  } finally {
    members.forEach(({ move }, i) => !move.switched && ctx.journal.end(keys[i]));
  }
  if (!members.some(({ move }) => move.switched)) return new Map();
  await ctx.deps.store.commit();
  // Unlinking may wait for the medium, and needs nothing that others wait for.
  ctx.leaveSlot(moves[0]);
  const left = await release(ctx, members);
  members.forEach(({ move }, i) => move.switched && !left.has(move) && ctx.journal.end(keys[i]));
  return left;
}

/** Those that nobody has open, that are plain only, and whose bytes are recorded. */
async function settled(ctx: MoveContext, moves: readonly Move[]): Promise<Member[]> {
  const { activity, namespace } = ctx.deps;
  const closed = moves.filter(({ ino }) => activity.handles(ino).total === 0);
  const unsettled = closed.filter(({ ino }) => namespace.get(ino)?.unsettled);
  if (unsettled.length > 0) await activity.settle(unsettled.map(({ ino }) => ino));
  return closed.flatMap((move) => memberOf(ctx, move) ?? []);
}

function memberOf(ctx: MoveContext, move: Move): Member | undefined {
  const { activity, namespace, tiers } = ctx.deps;
  const inode = namespace.get(move.ino);
  if (!inode || inode.nlink === 0 || inode.unsettled || isPacked(ctx, inode)) return undefined;
  const { plainTier, size } = inode;
  const source = tiers.byId(plainTier);
  if (!source || source.state === 'missing' || size === 0 || size >= MOST_BYTES) return undefined;
  if (activity.handles(move.ino).total > 0) return undefined;
  return { move, source, size, count: activity.changeCount(move.ino) };
}

async function packAndSwitch(
  ctx: MoveContext,
  members: readonly Member[],
  target: Tier,
): Promise<void> {
  const { read, batch } = await readAndCut(ctx, members);
  if (!batch) return;
  try {
    const packed = await pack(ctx, read, batch, target);
    try {
      if (await readsBack(ctx, read, batch, packed)) await switchAll(ctx, read, packed, target);
    } finally {
      packed.abort();
    }
  } finally {
    batch.release();
  }
}

interface ReadGroup {
  read: Read[];
  /** Null where no file could be read. */
  batch: GroupBatch | null;
}

async function readAndCut(ctx: MoveContext, members: readonly Member[]): Promise<ReadGroup> {
  const { tiers, chunking } = ctx.deps;
  const paths = members.map(({ move, source }) => tiers.backingPath(source, move.ino));
  const lengths = Uint32Array.from(members, ({ size }) => size);
  const group = await together(members, (control) => native.readFiles(paths, lengths, control));
  try {
    const taken = members.map((_, i) => i).filter((i) => group.errors[i] === 0);
    const cuttings = await Promise.all(
      taken.map((i) => cuttingOf(readerOf(group, i), members[i].size, chunking)),
    );
    const read = taken.map((i) => ({ ...members[i], digest: digestAt(group, i) }));
    if (read.length === 0) return { read, batch: null };
    return { read, batch: await cut(group, taken, cuttings) };
  } finally {
    group.release();
  }
}

/** The bytes are in memory, and yet a header that goes on and on keeps nobody waiting. */
function readerOf(group: FileGroup, file: number): ReadBytes {
  return async (offset, length) => {
    await giveWay();
    return group.slice(file, offset, length);
  };
}

function cut(group: FileGroup, files: number[], cuttings: Cutting[]): Promise<GroupBatch> {
  return group.cut(
    Uint32Array.from(files),
    Uint32Array.from(cuttings.flatMap(({ limits: { min, average, max } }) => [min, average, max])),
    Uint32Array.from(cuttings, ({ cuts }) => cuts.length),
    Float64Array.from(cuttings.flatMap(({ cuts }) => cuts)),
  );
}

function digestAt({ digests }: FileGroup, file: number): string {
  return digests.toString('hex', file * DIGEST_BYTES, (file + 1) * DIGEST_BYTES);
}

function pack(
  ctx: MoveContext,
  read: readonly Read[],
  batch: GroupBatch,
  target: Tier,
): Promise<PackedTogether> {
  const { content, settings } = ctx.deps;
  for (const { move, size } of read) move.done = size;
  checkRoom(ctx, target, 0);
  return content.packTogether(
    read.map(({ move }) => move.ino),
    batch,
    target.id,
    encodingFor(target, settings, MOST_BYTES),
    jumpRateFor(target, settings),
  );
}

/** From the medium. Where a chunk is damaged, a single move finds out which one and stores it anew. */
async function readsBack(
  { deps }: MoveContext,
  read: readonly Read[],
  batch: GroupBatch,
  { all }: PackedTogether,
): Promise<boolean> {
  const plan = deps.content.openPlan(await deps.content.planForRecipe(all));
  try {
    const check = await together(read, (control) => native.checkPlan(plan, control));
    return check.bad.length === 0 && check.digest.equals(batch.digest);
  } finally {
    plan.close();
  }
}

/** A native step that ends early where the move of one file is cancelled. */
async function together<T>(
  members: readonly Member[],
  step: (control: CopyControl) => Promise<T>,
): Promise<T> {
  const control = native.createCopyControl();
  for (const { move } of members) {
    move.control = control;
    if (move.cancelled) control.cancel();
  }
  try {
    return await step(control);
  } finally {
    for (const { move } of members) move.control = null;
  }
}

/** The last check of each file and its switch are one turn. */
async function switchAll(
  ctx: MoveContext,
  read: readonly Read[],
  { files }: PackedTogether,
  target: Tier,
): Promise<void> {
  const { activity, namespace } = ctx.deps;
  // By inode number: in that order the database fills its pages.
  const order = [...read.keys()].sort((a, b) => read[a].move.ino - read[b].move.ino);
  for (const [turn, i] of order.entries()) {
    const { move, source, count, digest } = read[i];
    const inode = namespace.get(move.ino);
    if (!inode || inode.nlink === 0 || inode.plainTier !== source.id || move.cancelled) continue;
    if (activity.changeCount(move.ino) !== count || activity.handles(move.ino).total > 0) continue;
    switchToPacked(ctx, inode, { from: source, to: target }, { ...files[i], digest });
    move.switched = true;
    namespace.update(inode);
    activity.moved(move.ino, 'data');
    if (turn % SLICE === SLICE - 1) await giveWay();
  }
}

/** The switch is durable. */
async function release(ctx: MoveContext, members: readonly Member[]): Promise<Leftovers> {
  const left = new Map<Move, Error>();
  const released: { move: Move; path: string }[] = [];
  for (const { move, source } of members) {
    if (!move.switched) continue;
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
  return left;
}
