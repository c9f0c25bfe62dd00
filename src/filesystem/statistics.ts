/** statfs: the volume's capacity and free space over all tiers. */
import type { FilesystemStatistics } from '../fuse/operations.js';
import type { Context } from './context.js';
import { NAME_MAX } from './modes.js';

const BLOCK_BYTES = 4096;
/** Inodes are not limited by a table; programs expect a number. */
const INODE_LIMIT = 2 ** 40;

export function statfs(ctx: Context): FilesystemStatistics {
  let capacity = 0;
  let free = 0;
  for (const tier of ctx.tiers.tiers) {
    if (tier.state === 'missing') continue;
    const usage = ctx.tiers.usage(tier);
    // What others use on the same medium is not ours to offer.
    capacity += Math.min(usage.capacity, usage.used + usage.free);
    if (tier.state !== 'read-only') free += usage.free;
  }
  const freeBlocks = Math.floor(free / BLOCK_BYTES);
  return {
    blocks: Math.floor(capacity / BLOCK_BYTES),
    freeBlocks,
    availableBlocks: freeBlocks,
    files: INODE_LIMIT,
    freeFiles: INODE_LIMIT - ctx.namespace.counts.inodes,
    blockSize: BLOCK_BYTES,
    nameLength: NAME_MAX,
  };
}
