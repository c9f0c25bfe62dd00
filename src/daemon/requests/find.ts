/** From the path of a request to an inode, and the facts about it that several requests need. */
import { CoralError, ExitCode, usageError } from '../../config/errors.js';
import { didYouMean } from '../../config/suggest.js';
import { ROOT_INO, type Inode, type Namespace } from '../../namespace/types.js';
import { decayed } from '../../policy/heat.js';
import type { FileFacts } from '../../policy/types.js';
import type { Tier, TierSet } from '../../tiers/types.js';
import { shown } from '../../config/mountinfo.js';
import type { Parts } from '../parts.js';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

export const isFile = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFREG;
export const isDirectory = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFDIR;
export const isSymlink = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFLNK;

export interface Target {
  inode: Inode;
  /** Below the mount, bytes in latin1. */
  below: string;
  /** As the person named it. */
  path: string;
}

/** Walks the namespace; links on the way were resolved by the client. @throws CoralError */
export function findTarget(namespace: Namespace, args: Record<string, unknown>): Target {
  const below = textArgument(args, 'path');
  const path = typeof args['shown'] === 'string' ? args['shown'] : shown(below);
  let inode = namespace.get(ROOT_INO);
  for (const name of below.split('/')) {
    if (name === '') continue;
    if (inode === undefined || !isDirectory(inode)) throw absent(path);
    const entry = namespace.lookup(inode.ino, name);
    inode = entry === undefined ? undefined : namespace.get(entry.ino);
  }
  if (inode === undefined) throw absent(path);
  return { inode, below, path };
}

function absent(path: string): CoralError {
  return new CoralError(ExitCode.failed, `${path}: no such file or directory on the mount`);
}

export function textArgument(args: Record<string, unknown>, name: string): string {
  const value = args[name];
  if (typeof value === 'string') return value;
  throw usageError(`the request lacks "${name}"`);
}

/** The tier that `--to` names, or undefined where nothing was said. @throws CoralError */
export function tierArgument(tiers: TierSet, args: Record<string, unknown>): Tier | undefined {
  const name = args['to'];
  if (name === undefined || name === null) return undefined;
  const tier = tiers.byName(String(name));
  if (tier !== undefined) return tier;
  const known = tiers.tiers.map((one) => one.name);
  const hint = didYouMean(String(name), known) || '.';
  throw usageError(
    `--to ${String(name)}: the volume has no such tier${hint} It has ${known.join(', ')}`,
  );
}

/** The nearest pin of an inode, its own or of a directory above; null for none. */
export function pinOf(parts: Pick<Parts, 'namespace' | 'tiers'>, inode: Inode): string | null {
  let at: Inode | undefined = inode;
  for (let depth = 0; at !== undefined && depth < 4096; depth += 1) {
    if (at.pin !== 0) return parts.tiers.byId(at.pin)?.name ?? null;
    at = at.ino === ROOT_INO ? undefined : parts.namespace.get(at.parent);
  }
  return null;
}

export function tierName(tiers: TierSet, id: number): string | null {
  return id === 0 ? null : (tiers.byId(id)?.name ?? null);
}

/** What policy decides from, as of now. */
export function factsOf(parts: Parts, inode: Inode, path: string): FileFacts {
  const elapsed = inode.heatAt === 0 ? 0 : Date.now() - inode.heatAt;
  return {
    ino: inode.ino,
    path,
    size: inode.size,
    fileClass: inode.fileClass,
    heat: decayed(inode.heat, elapsed, parts.plan.settings.halfLifeMs),
    idleMs: Math.max(0, elapsed),
    plainTier: tierName(parts.tiers, inode.plainTier),
    packedTier: tierName(parts.tiers, inode.packedTier),
    pin: pinOf(parts, inode),
    open: parts.filesystem.activity.handles(inode.ino).total > 0,
  };
}

/** Refuses what would change a volume that is mounted read-only. */
export function mustBeWritable(parts: Parts): void {
  if (!parts.plan.settings.mount.readOnly) return;
  throw new CoralError(
    ExitCode.failed,
    `${parts.plan.mountpoint}: it is mounted read-only. Unmount it and mount it without ro`,
  );
}
