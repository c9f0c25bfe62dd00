/** Drops the plain copies of small files that are packed as well, once both forms were read and are equal. */
import type { Tier } from '../tiers/types.js';
import {
  digestAt,
  journaledTogether,
  type Member,
  membersOf,
  readPacked,
  readPlain,
  type Switched,
  switchTogether,
} from './group.js';
import type { Move, MoveContext } from './move.js';
import { forgetPlain, isPacked, rankOf } from './packed.js';

/** Of the moves, those whose files are packed on the target or a slower tier already. */
export async function dropTogether(
  ctx: MoveContext,
  moves: readonly Move[],
  target: Tier,
): Promise<Switched[]> {
  const members = await membersOf(ctx, moves, (inode) => {
    const isThere = rankOf(ctx, inode.packedTier) >= rankOf(ctx, target.id);
    return inode.plainTier !== 0 && isPacked(ctx, inode) && isThere;
  });
  const equal = members.length > 0 ? await withEqualForms(ctx, members) : [];
  if (equal.length === 0) return [];
  return journaledTogether(ctx, equal, undefined, () =>
    switchTogether(ctx, equal, (inode, i) => {
      if (!isPacked(ctx, inode)) return false;
      forgetPlain(ctx, inode, equal[i].source!);
      return true;
    }),
  );
}

/** Packs can rot, and the plain copy is what would repair them. */
async function withEqualForms(ctx: MoveContext, members: Member[]): Promise<Member[]> {
  const good = await withDigest(members, () => readPlain(ctx, members));
  for (const { move, size } of good) move.done = size;
  return good.length > 0 ? withDigest(good, () => readPacked(ctx, good, true)) : [];
}

async function withDigest(
  members: Member[],
  read: () => ReturnType<typeof readPlain>,
): Promise<Member[]> {
  const group = await read();
  group.release();
  return members.filter(({ digest }, i) => group.errors[i] === 0 && digestAt(group, i) === digest);
}
