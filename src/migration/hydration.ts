/** Where a packed file goes that a program is about to write to. */
import { isWritable, type Tier } from '../tiers/types.js';
import { type MigrationDeps, MoveError } from './deps.js';
import { pinOf } from '../namespace/pins.js';
import { plainBytes } from './room.js';

/** Tiers with room for it: the pinned one or the rule's, then the others, fastest first. */
export function hydrationTiers(deps: MigrationDeps, ino: number): Tier[] {
  const { namespace, tiers, rules } = deps;
  const inode = namespace.get(ino);
  if (!inode) return [];
  const path = Buffer.from(namespace.pathOf(ino) ?? '', 'latin1').toString('utf8');
  const { tier } = rules.placementFor({ path, size: inode.size, fileClass: inode.fileClass });
  const first = tiers.byId(pinOf(namespace, inode.ino)) ?? tiers.byName(tier);
  const ordered = first ? [first, ...tiers.tiers.filter((other) => other !== first)] : tiers.tiers;
  const bytes = plainBytes(deps, inode);
  return ordered.filter((t) => t.state === 'ok' && tiers.usage(t).free > bytes);
}

/** Why there is no tier for it. */
export function nowhere({ tiers }: MigrationDeps): MoveError {
  return tiers.tiers.some(isWritable)
    ? new MoveError('ENOSPC', 'no tier has room for the plain form of the file')
    : new MoveError('EROFS', 'no tier can be written to');
}
