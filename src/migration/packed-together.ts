/** Packs the small files of a group: one read, one append, one sync, one reading back of all. */
import { cuttingOf, type Cutting, type ReadBytes } from '../content/tensors.js';
import { giveWay } from '../content/turns.js';
import type { PackedTogether } from '../content/types.js';
import type { FileGroup, GroupBatch } from '../native.js';
import { native } from '../native.js';
import type { Tier } from '../tiers/types.js';
import { encodingFor } from './compression.js';
import { jumpRateFor } from './fragmentation.js';
import {
  digestAt,
  journaledTogether,
  type Member,
  membersOf,
  MOST_BYTES,
  readPlain,
  type Switched,
  switchTogether,
  together,
} from './group.js';
import { checkRoom, type Move, type MoveContext } from './move.js';
import { isPacked, switchToPacked } from './packed.js';

/** A member that is read and cut. */
interface Read {
  member: Member;
  /** Of the bytes that were read, hex. */
  digest: string;
}

/** Of the moves, those whose files are plain only. */
export async function packTogether(
  ctx: MoveContext,
  moves: readonly Move[],
  target: Tier,
): Promise<Switched[]> {
  const members = await membersOf(
    ctx,
    moves,
    (inode) => inode.plainTier !== 0 && !isPacked(ctx, inode),
  );
  if (members.length === 0) return [];
  return journaledTogether(ctx, members, undefined, () => packAndSwitch(ctx, members, target));
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
  const group = await readPlain(ctx, members);
  try {
    const taken = members.map((_, i) => i).filter((i) => group.errors[i] === 0);
    const cuttings = await Promise.all(
      taken.map((i) => cuttingOf(readerOf(group, i), members[i].size, ctx.deps.chunking)),
    );
    const read = taken.map((i) => ({ member: members[i], digest: digestAt(group, i) }));
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

function pack(
  ctx: MoveContext,
  read: readonly Read[],
  batch: GroupBatch,
  target: Tier,
): Promise<PackedTogether> {
  const { content, settings } = ctx.deps;
  for (const { member } of read) member.move.done = member.size;
  checkRoom(ctx, target, 0);
  return content.packTogether(
    read.map(({ member }) => member.move.ino),
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
    const members = read.map(({ member }) => member);
    const check = await together(members, (control) => native.checkPlan(plan, control));
    return check.bad.length === 0 && check.digest.equals(batch.digest);
  } finally {
    plan.close();
  }
}

function switchAll(
  ctx: MoveContext,
  read: readonly Read[],
  { files }: PackedTogether,
  target: Tier,
): Promise<void> {
  const members = read.map(({ member }) => member);
  return switchTogether(ctx, members, (inode, i) => {
    const from = members[i].source!;
    switchToPacked(ctx, inode, { from, to: target }, { ...files[i], digest: read[i].digest });
    return true;
  });
}
