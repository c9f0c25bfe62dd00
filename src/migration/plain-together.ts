/** Makes the small files of a group plain: read, written, made durable and read back in one step. */
import { dirname } from 'node:path';
import type { Inode } from '../namespace/types.js';
import { type FileGroup, native } from '../native.js';
import { BACKTRACE_XATTR, encodeBacktrace } from '../tiers/backtrace.js';
import type { Tier } from '../tiers/types.js';
import { type Incoming, placeIncoming, type Times, timesOf } from './backing.js';
import {
  digestAt,
  journaledTogether,
  type Member,
  membersOf,
  readPacked,
  readPlain,
  type Switched,
  switchTogether,
  together,
} from './group.js';
import { checkRoom, type Move, type MoveContext } from './move.js';
import { isPacked } from './packed.js';
import { plainBytes } from './room.js';

/** Of the moves, those whose files are plain on another tier. */
export async function copyTogether(
  ctx: MoveContext,
  moves: readonly Move[],
  target: Tier,
): Promise<Switched[]> {
  const members = await membersOf(ctx, moves, ({ plainTier, plainBlocks, size }) => {
    // Holes would be filled.
    return plainTier !== 0 && plainTier !== target.id && 512 * plainBlocks >= size;
  });
  return build(ctx, members, target, () => readPlain(ctx, members));
}

/** Of the moves, those whose files are packed only. */
export async function hydrateTogether(
  ctx: MoveContext,
  moves: readonly Move[],
  target: Tier,
): Promise<Switched[]> {
  const members = await membersOf(ctx, moves, (inode) => {
    const isPackedOnly = inode.plainTier === 0 && isPacked(ctx, inode);
    // A run of zeros is to become a hole.
    return isPackedOnly && ctx.deps.content.dataBytes(inode.ino) === inode.size;
  });
  return build(ctx, members, target, () => readPacked(ctx, members, false));
}

async function build(
  ctx: MoveContext,
  members: readonly Member[],
  target: Tier,
  read: () => Promise<FileGroup>,
): Promise<Switched[]> {
  if (members.length === 0) return [];
  const { namespace } = ctx.deps;
  const inodes = members.flatMap(({ move }) => namespace.get(move.ino) ?? []);
  checkRoom(
    ctx,
    target,
    inodes.reduce((sum, inode) => sum + plainBytes(ctx.deps, inode), 0),
  );
  return journaledTogether(ctx, members, target, async () => {
    const group = await read();
    try {
      await writeAndSwitch(ctx, members, group, target);
    } finally {
      group.release();
    }
  });
}

/** A copy to be made. */
interface Order {
  member: Member;
  /** Its number in the group. */
  file: number;
  backtrace: Buffer;
  times: Times;
}

async function writeAndSwitch(
  ctx: MoveContext,
  members: readonly Member[],
  group: FileGroup,
  target: Tier,
): Promise<void> {
  const orders = members.flatMap((member, file) => orderFor(ctx, group, member, file) ?? []);
  if (orders.length === 0) return;
  const incoming = await write(ctx, orders, group, target);
  const good = orders.map((_, i) => i).filter((i) => incoming[i] !== undefined);
  await switchTogether(
    ctx,
    good.map((i) => orders[i].member),
    (inode, i) => place(ctx, target, inode, incoming[good[i]]!),
  );
}

function orderFor(
  { deps }: MoveContext,
  group: FileGroup,
  member: Member,
  file: number,
): Order | undefined {
  const inode = deps.namespace.get(member.move.ino);
  if (!inode || group.errors[file] !== 0) return undefined;
  // What packs hold is held against what was packed.
  if (!member.source && digestAt(group, file) !== member.digest) return undefined;
  member.move.done = member.size;
  const backtrace = encodeBacktrace(deps.namespace, deps.tiers.volumeId, inode);
  return { member, file, backtrace, times: timesOf(inode) };
}

/** @returns for each a verified copy, or undefined. */
async function write(
  { deps }: MoveContext,
  orders: readonly Order[],
  group: FileGroup,
  target: Tier,
): Promise<(Incoming | undefined)[]> {
  const paths = orders.map(({ member }) => deps.tiers.incomingPath(target, member.move.ino));
  const { errors, blocks } = await together(
    orders.map(({ member }) => member),
    (control) =>
      group.write(
        Uint32Array.from(orders, ({ file }) => file),
        paths,
        orders.map(({ backtrace }) => backtrace),
        BACKTRACE_XATTR,
        Float64Array.from(orders.flatMap(({ times }) => times)),
        control,
      ),
  );
  await native.syncDirectory(dirname(paths[0]));
  return orders.map(({ backtrace, times }, i) =>
    errors[i] === 0 ? { blocks: blocks[i], backtrace, times } : undefined,
  );
}

/** @returns false where its rename failed: the usual way says why. */
function place(ctx: MoveContext, target: Tier, inode: Inode, incoming: Incoming): boolean {
  const { tiers } = ctx.deps;
  const source = tiers.byId(inode.plainTier);
  try {
    placeIncoming(ctx, target, inode, incoming);
  } catch (error) {
    ctx.deps.log.debug({ err: error, ino: inode.ino }, 'a copy could not be put in place');
    return false;
  }
  if (source) tiers.accountPlain(source, -512 * inode.plainBlocks);
  tiers.accountPlain(target, 512 * incoming.blocks);
  inode.plainTier = target.id;
  inode.plainBlocks = incoming.blocks;
  return true;
}
