/**
 * Extended attributes: stored ones, and the virtual `user.coral-reef.*` that tell where a file is. Virtual
 * ones are not listed, so that copies and backups don't carry them away.
 */
import { FileError } from '../fuse/errno.js';
import { pinOf } from '../namespace/pins.js';
import type { Inode, Name } from '../namespace/types.js';
import { decayed, temperatureOf } from '../policy/heat.js';
import { inodeOf, touchChanged } from './attributes.js';
import type { Context } from './context.js';

const VIRTUAL = 'user.coral-reef.';
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const ENODATA = 'ENODATA';

export function getxattr(ctx: Context, ino: number, name: Name): Buffer {
  if (name.startsWith(VIRTUAL)) {
    const text = virtualValue(ctx, inodeOf(ctx, ino), name.slice(VIRTUAL.length));
    if (text === null) throw new FileError(ENODATA);
    return Buffer.from(text);
  }
  const value = ctx.namespace.getXattr(ino, name);
  if (value === undefined) throw new FileError(ENODATA);
  return value;
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
  if (name.startsWith('system.')) throw new FileError('EOPNOTSUPP');
  const exists = ctx.namespace.getXattr(ino, name) !== undefined;
  if (exists && (flags & XATTR_CREATE) !== 0) throw new FileError('EEXIST');
  if (!exists && (flags & XATTR_REPLACE) !== 0) throw new FileError(ENODATA);
  ctx.namespace.setXattr(ino, name, value);
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
  if (!ctx.namespace.removeXattr(ino, name)) throw new FileError(ENODATA);
  touchChanged(ctx, inode);
}

export function listxattr(ctx: Context, ino: number): Name[] {
  return ctx.namespace.listXattrs(ino);
}
