/** Packs the small files of a group (`pack-group.ts`) and switches them. */
import type { Tier } from '../tiers/types.js';
import {
  journaledTogether,
  type Member,
  membersOf,
  type Switched,
  switchTogether,
  together,
} from './group.js';
import type { Move, MoveContext } from './move.js';
import { type GroupSource, packGroup, type PackedMember } from './pack-group.js';
import { isPacked, switchToPacked } from './packed.js';

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
  return journaledTogether(ctx, members, undefined, async () => {
    // Where a chunk is damaged none is switched: a single move finds out which one and stores it anew.
    await packGroup(ctx, sourceOf(ctx, members), target, (packed) =>
      switchAll(ctx, members, packed, target),
    );
  });
}

function sourceOf({ deps }: MoveContext, members: readonly Member[]): GroupSource {
  const files = members.map(({ move, source, size }) => ({
    ino: move.ino,
    path: deps.tiers.backingPath(source!, move.ino),
    size,
  }));
  return { files, step: (work) => together(members, work) };
}

function switchAll(
  ctx: MoveContext,
  members: readonly Member[],
  packed: readonly PackedMember[],
  target: Tier,
): Promise<void> {
  const switched = packed.map(({ file }) => members[file]);
  return switchTogether(ctx, switched, (inode, i) => {
    switchToPacked(ctx, inode, { from: switched[i].source!, to: target }, packed[i]);
    return true;
  });
}
