/** Moves many small files in one step: which ones, and what becomes of the rest. The steps: `group.ts`. */
import type { Tier } from '../tiers/types.js';
import { dropTogether } from './dropped-together.js';
import { type Leftovers, MOST_BYTES, releaseTogether, type Switched } from './group.js';
import { isShare, makesPacked } from './job.js';
import { type Move, type MoveContext, writableTarget } from './move.js';
import { packTogether } from './packed-together.js';
import { copyTogether, hydrateTogether } from './plain-together.js';

/** Bytes of all files of a group. */
const GROUP_BYTES = 4 << 20;
const GROUP_FILES = 256;

/** Takes those of the moves that it is for. @throws what went wrong with all of these */
type Step = (ctx: MoveContext, moves: readonly Move[], target: Tier) => Promise<Switched[]>;

const TO_PACKED: readonly Step[] = [dropTogether, packTogether];
const TO_PLAIN: readonly Step[] = [copyTogether, hydrateTogether];

/** Whether the move may be one of a group. */
function fitsGroup(move: Move): boolean {
  return !isShare(move) && !move.allowOpen && move.total > 0 && move.total < MOST_BYTES;
}

/** How many of the moves, from the first on, make a group. */
export function groupLength(moves: Iterable<Move>): number {
  let count = 0;
  let bytes = 0;
  let first: Move | undefined;
  for (const move of moves) {
    bytes += move.total;
    first ??= move;
    const isAlike = move.tier === first.tier && makesPacked(move) === makesPacked(first);
    if (!fitsGroup(move) || !isAlike || bytes > GROUP_BYTES || count === GROUP_FILES) break;
    count++;
  }
  return count;
}

/** Does what it can: `switched` of each move tells. @throws where the target can't be written */
export async function moveTogether(ctx: MoveContext, moves: readonly Move[]): Promise<Leftovers> {
  const target = await writableTarget(ctx, moves[0]);
  const failed: Leftovers = new Map();
  const done: Switched[] = [];
  for (const step of makesPacked(moves[0]) ? TO_PACKED : TO_PLAIN) {
    const before = new Set(moves.filter(({ switched }) => switched));
    try {
      done.push(...(await step(ctx, moves, target)));
    } catch (error) {
      ctx.deps.log.debug({ err: error, files: moves.length }, 'moving together failed');
      for (const move of moves) {
        if (move.switched && !before.has(move)) failed.set(move, error as Error);
      }
    }
  }
  // Unlinking may wait for the medium, and needs nothing that others wait for.
  ctx.leaveSlot(moves[0]);
  const left = await releaseTogether(ctx, done);
  return new Map([...failed, ...left]);
}
