/** From the path of a request to an inode, and the facts about it that several requests need. */
import { CoralError, ExitCode, usageError } from '../../config/errors.js';
import { didYouMean } from '../../config/suggest.js';
import { ROOT_INO, type Inode, type Namespace } from '../../namespace/types.js';
import { pinOf } from '../../namespace/pins.js';
import { factsOf } from '../../migration/facts.js';
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
  if (inode.parent === 0 && inode.ino !== ROOT_INO) adoptPath(namespace, inode, below);
  return { inode, below, path };
}

function adoptPath(namespace: Namespace, inode: Inode, below: string): void {
  const names = below.split('/').filter((name) => name !== '');
  const name = names.pop() ?? '';
  let parent = ROOT_INO;
  for (const directory of names) parent = namespace.lookup(parent, directory)?.ino ?? 0;
  adoptName(namespace, inode, parent, name);
}

/** The link that its record named was removed: this one takes its place. */
export function adoptName(namespace: Namespace, inode: Inode, parent: number, name: string): void {
  inode.parent = parent;
  inode.name = name;
  namespace.update(inode);
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
  return namedTier(tiers, String(name), `--to ${String(name)}`);
}

/** `said` is how it was asked for. @throws CoralError */
export function namedTier(tiers: TierSet, name: string, said = name): Tier {
  const tier = tiers.byName(name);
  if (tier !== undefined) return tier;
  const known = tiers.tiers.map((one) => one.name);
  const hint = didYouMean(name, known) || '.';
  throw usageError(`${said}: the volume has no such tier${hint} It has ${known.join(', ')}`);
}

/** The tier of the nearest pin, its own or of a directory above; null for none. */
export function pinnedTo(parts: Pick<Parts, 'namespace' | 'tiers'>, inode: Inode): string | null {
  return parts.tiers.byId(pinOf(parts.namespace, inode.ino))?.name ?? null;
}

/** What policy decides from, as of now. @throws CoralError where the file was deleted meanwhile */
export function factsOfTarget(parts: Parts, { inode, path }: Target): FileFacts {
  const { namespace, tiers, content, filesystem, plan } = parts;
  const { activity } = filesystem;
  const deps = { namespace, tiers, content, activity, settings: plan.settings };
  const facts = factsOf(deps, inode, Date.now());
  if (facts === undefined) throw absent(path);
  return facts;
}

/** Refuses what would change a volume that is mounted read-only. */
export function mustBeWritable(parts: Parts): void {
  if (!parts.plan.settings.mount.readOnly) return;
  throw new CoralError(
    ExitCode.failed,
    `${parts.plan.mountpoint}: it is mounted read-only. ` +
      `Let it be written to: mount -o remount,rw ${parts.plan.mountpoint}`,
  );
}
