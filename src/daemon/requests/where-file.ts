/** What one inode is, and where its bytes lie. */
import { sharedBytesOf } from '../../filesystem/shared-bytes.js';
import { temperatureOf } from '../../policy/heat.js';
import type { Inode } from '../../namespace/types.js';
import type { WhereDocument } from '../documents.js';
import type { Parts } from '../parts.js';
import { factsOfTarget, isFile, isSymlink, pinnedTo, type Target } from './find.js';

export const BLOCK = 512;
export const NOBODY = { uid: 0, gid: 0, pid: 0 };

export async function whereOf(parts: Parts, target: Target): Promise<WhereDocument> {
  const { inode, path } = target;
  if (!isFile(inode)) return notAFile(parts, inode, path);
  // While a program writes, only the backing file knows the size: getattr takes it over.
  await parts.filesystem.operations.getattr(NOBODY, inode.ino);
  const facts = factsOfTarget(parts, target);
  const form = facts.plainTier !== null ? 'plain' : inode.packedTier !== 0 ? 'packed' : null;
  return {
    path,
    type: 'file',
    tier: facts.plainTier ?? facts.packedTier,
    form,
    class: inode.fileClass,
    temperature: temperatureOf(facts.heat),
    heat: round(facts.heat),
    pinned: facts.pin,
    size: inode.size,
    storedBytes: inode.plainBlocks * BLOCK + inode.packedBytes,
    sharedBytes: await sharedBytesOf(parts, inode),
    packedTier: facts.packedTier,
    open: facts.open,
    lastOpened: inode.heatAt === 0 ? null : new Date(inode.heatAt).toISOString(),
  };
}

/** Links and the like have no data on a tier, but a pin may hang on them. */
function notAFile(parts: Parts, inode: Inode, path: string): WhereDocument {
  return {
    path,
    type: isSymlink(inode) ? 'symlink' : 'other',
    tier: null,
    form: null,
    class: null,
    temperature: null,
    heat: null,
    pinned: pinnedTo(parts, inode),
    size: inode.size,
    storedBytes: 0,
    sharedBytes: 0,
    packedTier: null,
    open: false,
    lastOpened: null,
  };
}

export function round(heat: number): number {
  return Math.round(heat * 1000) / 1000;
}
