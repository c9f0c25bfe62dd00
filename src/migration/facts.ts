/** What policy needs to know of a file, gathered from namespace, tiers and open handles. */
import { pinOf } from '../namespace/pins.js';
import type { Inode } from '../namespace/types.js';
import { decayed } from '../policy/heat.js';
import type { FileFacts } from '../policy/types.js';
import type { TierSet } from '../tiers/types.js';
import type { MigrationDeps } from './deps.js';
import { plainBytes } from './room.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
type FactsDeps = Pick<MigrationDeps, 'namespace' | 'tiers' | 'activity' | 'content'> & {
  settings: Pick<MigrationDeps['settings'], 'halfLifeMs'>;
};

export function isRegular(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFREG;
}

/** Undefined for what is no file with a name. `now` in milliseconds since the epoch. */
export function factsOf(deps: FactsDeps, inode: Inode, now: number): FileFacts | undefined {
  if (!isRegular(inode) || inode.nlink === 0) return undefined;
  const path = deps.namespace.pathOf(inode.ino);
  if (path === undefined) return undefined;
  const unheatedMs = Math.max(0, now - inode.heatAt);
  // A file that was made and never opened since is as old as itself.
  const idleMs = Math.min(unheatedMs, Math.max(0, now - inode.btimeSec * 1000));
  return {
    ino: inode.ino,
    path: Buffer.from(path, 'latin1').toString('utf8'),
    size: inode.size,
    bytes: plainBytes(deps, inode),
    fileClass: inode.fileClass,
    heat: decayed(inode.heat, unheatedMs, deps.settings.halfLifeMs),
    idleMs,
    plainTier: tierName(deps.tiers, inode.plainTier),
    packedTier: tierName(deps.tiers, inode.packedTier),
    pin: tierName(deps.tiers, pinOf(deps.namespace, inode.ino)),
    open: deps.activity.handles(inode.ino).total > 0,
    settled: !inode.unsettled,
  };
}

function tierName(tiers: TierSet, id: number): string | null {
  return id === 0 ? null : (tiers.byId(id)?.name ?? null);
}
