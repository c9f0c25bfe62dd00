/**
 * POSIX access control lists. The kernel checks access with them and validates what programs set; kept in
 * step with the mode, and inherited, they are here: the rules of acl(5) and of the kernel's fs/posix_acl.c.
 *
 * An inode whose `hasAcl` is not set has neither list, so that others cost no look at the database.
 */
import { FileError } from '../fuse/errno.js';
import type { Inode, Name } from '../namespace/types.js';
import type { Context } from './context.js';
import { isDirectory, S_IFLNK, S_IFMT, S_ISGID } from './modes.js';

export const ACCESS_ACL = 'system.posix_acl_access';
export const DEFAULT_ACL = 'system.posix_acl_default';

export const isAcl = (name: Name): boolean => name === ACCESS_ACL || name === DEFAULT_ACL;

/** `acl_tag_t`, from <linux/posix_acl_xattr.h>. */
const Tag = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 16, OTHER: 32 } as const;
const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;

/** The value of the extended attribute: a version, then tag, permissions and id of each entry. */
type Acl = Buffer;

const tagAt = (acl: Acl, at: number): number => acl.readUInt16LE(at);
const permissionsAt = (acl: Acl, at: number): number => acl.readUInt16LE(at + 2) & 7;

function* entriesOf(acl: Acl): Iterable<number> {
  for (let at = HEADER_BYTES; at < acl.length; at += ENTRY_BYTES) yield at;
}

/** Entry of that tag, or -1. */
function find(acl: Acl, tag: number): number {
  for (const at of entriesOf(acl)) if (tagAt(acl, at) === tag) return at;
  return -1;
}

/** @throws EINVAL; the kernel has looked at the entries */
function checkForm(acl: Acl): void {
  const whole = acl.length >= HEADER_BYTES && (acl.length - HEADER_BYTES) % ENTRY_BYTES === 0;
  const complete = whole && [Tag.USER_OBJ, Tag.GROUP_OBJ, Tag.OTHER].every((t) => find(acl, t) > 0);
  if (!complete || acl.readUInt32LE(0) !== VERSION) throw new FileError('EINVAL', 'no valid ACL');
}

/** The entry that the group bits of the mode stand for: the mask where there is one. */
function groupClass(acl: Acl): number {
  const mask = find(acl, Tag.MASK);
  return mask > 0 ? mask : find(acl, Tag.GROUP_OBJ);
}

/** The three bits of each class that a mode shows for this list. */
function modeOf(acl: Acl): number {
  const owner = permissionsAt(acl, find(acl, Tag.USER_OBJ));
  const group = permissionsAt(acl, groupClass(acl));
  return (owner << 6) | (group << 3) | permissionsAt(acl, find(acl, Tag.OTHER));
}

/** True where the mode alone says everything. */
const isMinimal = (acl: Acl): boolean => acl.length === HEADER_BYTES + 3 * ENTRY_BYTES;

/** A copy in which each class has the permissions that `change` makes of its own. */
function withPermissions(acl: Acl, change: (own: number, shift: number) => number): Acl {
  const changed = Buffer.from(acl);
  const classes = [find(acl, Tag.OTHER), groupClass(acl), find(acl, Tag.USER_OBJ)];
  classes.forEach((at, index) => {
    changed.writeUInt16LE(change(permissionsAt(acl, at), index * 3), at + 2);
  });
  return changed;
}

/** `killSetGid`: the caller is no member of the file's group, nor may it do without. */
export function setAcl(
  ctx: Context,
  inode: Inode,
  name: Name,
  acl: Acl,
  killSetGid: boolean,
): void {
  checkForm(acl);
  if ((inode.mode & S_IFMT) === S_IFLNK) throw new FileError('EOPNOTSUPP');
  if (name === DEFAULT_ACL) {
    if (!isDirectory(inode.mode)) throw new FileError('EACCES');
    return store(ctx, inode, name, acl);
  }
  inode.mode = (inode.mode & ~0o777) | modeOf(acl);
  if (killSetGid) inode.mode &= ~S_ISGID;
  if (isMinimal(acl)) removeAcl(ctx, inode, name);
  else store(ctx, inode, name, acl);
}

function store(ctx: Context, inode: Inode, name: Name, acl: Acl): void {
  ctx.namespace.setXattr(inode.ino, name, acl);
  inode.hasAcl = true;
  ctx.namespace.update(inode);
}

/** Nothing happens where there is none. */
export function removeAcl(ctx: Context, inode: Inode, name: Name): void {
  if (!inode.hasAcl || !ctx.namespace.removeXattr(inode.ino, name)) return;
  const other = name === ACCESS_ACL ? DEFAULT_ACL : ACCESS_ACL;
  inode.hasAcl = ctx.namespace.getXattr(inode.ino, other) !== undefined;
  ctx.namespace.update(inode);
}

/** After chmod: the list follows the new mode of the inode. */
export function followMode(ctx: Context, inode: Inode): void {
  const acl = inode.hasAcl ? ctx.namespace.getXattr(inode.ino, ACCESS_ACL) : undefined;
  if (acl === undefined) return;
  const { mode } = inode;
  store(
    ctx,
    inode,
    ACCESS_ACL,
    withPermissions(acl, (_own, shift) => (mode >> shift) & 7),
  );
}

/** What a new inode gets from its directory. */
export interface Inherited {
  mode: number;
  access: Acl | null;
  default: Acl | null;
}

/** A default list takes the place of the umask, and of all permissions that it does not grant. */
export function inherit(ctx: Context, directory: Inode, mode: number, umask: number): Inherited {
  const applies = directory.hasAcl && (mode & S_IFMT) !== S_IFLNK;
  const acl = applies ? ctx.namespace.getXattr(directory.ino, DEFAULT_ACL) : undefined;
  if (acl === undefined) return { mode: mode & ~umask, access: null, default: null };
  const access = withPermissions(acl, (own, shift) => own & (mode >> shift));
  return {
    mode: (mode & ~0o777) | (mode & modeOf(access)),
    access: isMinimal(access) ? null : access,
    default: isDirectory(mode) ? acl : null,
  };
}

export function storeInherited(ctx: Context, inode: Inode, inherited: Inherited): void {
  if (inherited.access !== null) store(ctx, inode, ACCESS_ACL, inherited.access);
  if (inherited.default !== null) store(ctx, inode, DEFAULT_ACL, inherited.default);
}
