/** statfs: the volume's capacity and free space over all tiers. */
import type { FilesystemStatistics } from '../fuse/operations.js';
import type { Tier, TierUsage } from '../tiers/types.js';
import type { Context } from './context.js';
import { NAME_MAX } from './modes.js';

const BLOCK_BYTES = 4096;
/** Inodes are not limited by a table; programs expect a number. */
const INODE_LIMIT = 2 ** 40;

interface Sum {
  capacity: number;
  free: number;
}

export function statfs(ctx: Context): FilesystemStatistics {
  const sums = byDisk(ctx).map(sumOf);
  const capacity = sums.reduce((all, sum) => all + sum.capacity, 0);
  const freeBlocks = Math.floor(sums.reduce((all, sum) => all + sum.free, 0) / BLOCK_BYTES);
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

interface Used extends TierUsage {
  state: Tier['state'];
}

/** Tiers that lie on one filesystem are together. */
function byDisk({ tiers }: Context): Used[][] {
  const groups = new Map<number | Tier, Used[]>();
  for (const tier of tiers.tiers) {
    if (tier.state === 'missing') continue;
    const usage = { ...tiers.usage(tier), state: tier.state };
    // What was not looked at yet stands for itself.
    const key = usage.disk.device === 0 ? tier : usage.disk.device;
    const others = groups.get(key);
    if (others === undefined) groups.set(key, [usage]);
    else others.push(usage);
  }
  return [...groups.values()];
}

/** What is free on a filesystem is there once, whichever tier takes it. What others use there is not ours to offer. */
function sumOf(group: Used[]): Sum {
  const { size, available } = group[0].disk;
  const sum = (tiers: Used[], of: (usage: Used) => number): number =>
    tiers.reduce((all, usage) => all + of(usage), 0);
  const free = (tiers: Used[]): number =>
    Math.min(
      sum(tiers, (usage) => usage.free),
      available,
    );
  const used = sum(group, (usage) => usage.used);
  const limit = sum(group, ({ capacity }) => capacity);
  const own = Math.min(limit, used + free(group));
  return {
    // Blocks that tiers share would count for each of them.
    capacity: Math.min(own, size),
    free: free(group.filter(({ state }) => state !== 'read-only')),
  };
}
