/** How much of what a file takes other files use too, so that deleting it does not free it. */
import { constants } from 'node:fs';
import type { Inode } from '../namespace/types.js';
import { native } from '../native.js';
import type { Context } from './context.js';

const { O_RDONLY, O_NOATIME } = constants;

/** Looks up every chunk of a packed file, in slices. @throws EIO where one is unknown */
export async function sharedBytesOf(
  { content, tiers }: Pick<Context, 'content' | 'tiers'>,
  inode: Inode,
): Promise<number> {
  const packed = inode.packedTier === 0 ? 0 : (await content.summary(inode.ino)).sharedBytes;
  return packed + (await plainSharedBytes({ tiers }, inode));
}

/** What the tier's filesystem says, 0 where it can't tell. */
export async function plainSharedBytes(
  { tiers }: Pick<Context, 'tiers'>,
  inode: Inode,
): Promise<number> {
  const tier = tiers.byId(inode.plainTier);
  if (tier === undefined || tier.state === 'missing') return 0;
  let fd = -1;
  try {
    fd = await native.open(tiers.backingPath(tier, inode.ino), O_RDONLY | O_NOATIME, 0);
    return await native.sharedBytes(fd);
  } catch {
    return 0;
  } finally {
    if (fd >= 0) native.close(fd);
  }
}
