/**
 * Extended attributes: stored ones, and the virtual `user.coral-reef.*` that tell where a file is. Virtual
 * ones are not listed, so that copies and backups don't carry them away.
 */
import { FileError } from '../fuse/errno.js';
import type { Caller, Result } from '../fuse/operations.js';
import { pinOf } from '../namespace/pins.js';
import type { Inode, Name } from '../namespace/types.js';
import type { Xattr } from '../native.js';
import { decayed, temperatureOf } from '../policy/heat.js';
import { inodeOf, touchChanged } from './attributes.js';
import { isAcl, removeAcl, setAcl } from './acl.js';
import { isRoot } from './callers.js';
import type { Context } from './context.js';
import { sharedBytesOf } from './shared-bytes.js';

const VIRTUAL = 'user.coral-reef.';
const SHARED = `${VIRTUAL}shared`;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const ENODATA = 'ENODATA';
const NAMESPACES = ['user.', 'trusted.', 'security.'];

/** The kernel hands on any name. @throws EOPNOTSUPP, EINVAL for a namespace alone */
function checkNamespace(name: Name): void {
  if (NAMESPACES.includes(name)) throw new FileError('EINVAL');
  if (!isStored(name)) throw new FileError('EOPNOTSUPP');
}

const isStored = (name: Name): boolean =>
  isAcl(name) || NAMESPACES.some((prefix) => name.startsWith(prefix));

export function getxattr(ctx: Context, ino: number, name: Name): Result<Buffer> {
  if (name === SHARED) return sharedValue(ctx, inodeOf(ctx, ino));
  if (name.startsWith(VIRTUAL)) {
    const text = virtualValue(ctx, inodeOf(ctx, ino), name.slice(VIRTUAL.length));
    if (text === null) throw new FileError(ENODATA);
    return Buffer.from(text);
  }
  checkNamespace(name);
  if (isAcl(name) && !inodeOf(ctx, ino).hasAcl) throw new FileError(ENODATA);
  const value = ctx.namespace.getXattr(ino, name);
  if (value === undefined) throw new FileError(ENODATA);
  return value;
}

/** The only one that is not in the inode: to find it takes a look at every chunk. */
async function sharedValue(ctx: Context, inode: Inode): Promise<Buffer> {
  return Buffer.from(String(await sharedBytesOf(ctx, inode)));
}

function virtualValue(ctx: Context, inode: Inode, key: string): string | null {
  const heat = decayed(inode.heat, Date.now() - inode.heatAt, ctx.settings.halfLifeMs);
  switch (key) {
    case 'tier':
      return tierName(ctx, inode.plainTier || inode.packedTier);
    case 'form':
      return inode.plainTier === 0 && inode.packedTier !== 0 ? 'packed' : 'plain';
    case 'class':
      return inode.fileClass;
    case 'temperature':
      return temperatureOf(heat);
    case 'heat':
      return heat.toFixed(3);
    case 'stored':
      return String(inode.plainBlocks * 512 + inode.packedBytes);
    case 'pin':
      return tierName(ctx, pinOf(ctx.namespace, inode.ino));
    // Of the whole volume: who copies many files need not ask each of them.
    case 'attributes':
      return ctx.namespace.hasXattrs() ? 'some' : 'none';
    default:
      return null;
  }
}

const tierName = (ctx: Context, id: number): string | null => ctx.tiers.byId(id)?.name ?? null;

export function setxattr(
  ctx: Context,
  ino: number,
  name: Name,
  value: Buffer,
  flags: number,
): void {
  const inode = inodeOf(ctx, ino);
  if (name.startsWith(VIRTUAL)) return setVirtual(ctx, inode, name, value.toString());
  checkNamespace(name);
  const exists = ctx.namespace.getXattr(ino, name) !== undefined;
  if (exists && (flags & XATTR_CREATE) !== 0) throw new FileError('EEXIST');
  if (!exists && (flags & XATTR_REPLACE) !== 0) throw new FileError(ENODATA);
  ctx.namespace.setXattr(ino, name, value);
  touchChanged(ctx, inode);
}

/** Those that a new file brings along. @returns false where one is of no kind that is stored */
export function storeXattrs(ctx: Context, inode: Inode, xattrs: readonly Xattr[]): boolean {
  // Of another volume; here they would say something else.
  const own = xattrs.filter(({ name }) => !name.startsWith(VIRTUAL));
  const stored = own.filter(({ name }) => isStored(name));
  for (const { name, value } of stored) {
    if (isAcl(name)) setAcl(ctx, inode, name, value, false);
    else ctx.namespace.setXattr(inode.ino, name, value);
  }
  return stored.length === own.length;
}

export function setxattrAcl(
  ctx: Context,
  ino: number,
  name: Name,
  value: Buffer,
  killSetGid: boolean,
): void {
  const inode = inodeOf(ctx, ino);
  setAcl(ctx, inode, name, value, killSetGid);
  touchChanged(ctx, inode);
}

function setVirtual(ctx: Context, inode: Inode, name: Name, value: string): void {
  if (name !== `${VIRTUAL}pin`) throw new FileError('EPERM');
  const tier = ctx.tiers.byName(value.trim());
  if (tier === undefined) throw new FileError('EINVAL', `no tier named ${value}`);
  inode.pin = tier.id;
  ctx.namespace.update(inode);
}

export function removexattr(ctx: Context, ino: number, name: Name): void {
  const inode = inodeOf(ctx, ino);
  if (name === `${VIRTUAL}pin`) {
    if (inode.pin === 0) throw new FileError(ENODATA);
    inode.pin = 0;
    return ctx.namespace.update(inode);
  }
  if (name.startsWith(VIRTUAL)) throw new FileError('EPERM');
  checkNamespace(name);
  if (isAcl(name)) removeAcl(ctx, inode, name);
  else if (!ctx.namespace.removeXattr(ino, name)) throw new FileError(ENODATA);
  touchChanged(ctx, inode);
}

/** Attributes of `trusted.` are for root, and others do not see that they are there. */
export function listxattr(ctx: Context, caller: Caller, ino: number): Name[] {
  const names = ctx.namespace.listXattrs(ino);
  const others = names.filter((name) => !name.startsWith('trusted.'));
  return others.length === names.length || isRoot(caller) ? names : others;
}
