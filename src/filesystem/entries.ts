/** Names and directories: lookup, mkdir, mknod, symlink, link, unlink, rmdir. Rename has its own file. */
import { FileError } from '../fuse/errno.js';
import type { Attributes, Caller } from '../fuse/operations.js';
import type { Entry, Inode, Name, NewInode } from '../namespace/types.js';
import { now } from '../namespace/now.js';
import { touchAccessed } from './access-times.js';
import {
  attributesOf,
  inodeOf,
  NEGATIVE_ENTRY,
  touchChanged,
  touchModified,
} from './attributes.js';
import { inherit, storeInherited } from './acl.js';
import type { Context } from './context.js';
import {
  entryType,
  isDirectory,
  isRegular,
  LINK_MAX,
  NAME_MAX,
  S_IFDIR,
  S_IFLNK,
  S_ISGID,
  SYMLINK_MAX,
} from './modes.js';

/** @throws ENAMETOOLONG; the kernel sends names of up to 1,024 bytes. */
export function checkName(name: Name): void {
  if (name.length > NAME_MAX) throw new FileError('ENAMETOOLONG');
}

export function lookup(ctx: Context, parent: number, name: Name): Attributes {
  checkName(name);
  if (name === '.' || name === '..') return lookupDots(ctx, parent, name);
  const entry = ctx.namespace.lookup(parent, name);
  if (entry === undefined) {
    inodeOf(ctx, parent);
    return NEGATIVE_ENTRY;
  }
  const inode = inodeOf(ctx, entry.ino);
  if (inode.parent === 0) adoptName(ctx, inode, parent, name);
  return attributesOf(ctx, inode);
}

/** Asked when a file handle is opened that the kernel has forgotten. @throws ESTALE for a removed file */
function lookupDots(ctx: Context, parent: number, name: Name): Attributes {
  const directory = inodeOf(ctx, parent);
  if (directory.nlink === 0) throw new FileError('ESTALE');
  return attributesOf(ctx, name === '.' ? directory : inodeOf(ctx, directory.parent || parent));
}

/** The record carries one of the names: for paths in rules, pins and messages. */
function adoptName(ctx: Context, inode: Inode, parent: number, name: Name): void {
  inode.parent = parent;
  inode.name = name;
  ctx.namespace.update(inode);
}

/** A live directory. @throws ENOENT where it was removed, ENOTDIR. */
export function directoryOf(ctx: Context, ino: number): Inode {
  const directory = inodeOf(ctx, ino);
  if (!isDirectory(directory.mode)) throw new FileError('ENOTDIR');
  if (directory.nlink === 0) throw new FileError('ENOENT');
  return directory;
}

export function existing(ctx: Context, parent: number, name: Name): Entry {
  checkName(name);
  const entry = ctx.namespace.lookup(parent, name);
  if (entry === undefined) throw new FileError('ENOENT');
  return entry;
}

/** A new inode owned by the caller, without a name yet. */
export function newInode(
  ctx: Context,
  caller: Caller,
  directory: Inode,
  fields: Omit<NewInode, 'uid' | 'gid'>,
): Inode {
  const group = (directory.mode & S_ISGID) !== 0;
  const gid = group ? directory.gid : caller.gid;
  const inherited = inherit(ctx, directory, fields.mode, caller.umask ?? 0);
  const mode = group && isDirectory(fields.mode) ? inherited.mode | S_ISGID : inherited.mode;
  const inode = ctx.namespace.create({ ...fields, mode, uid: caller.uid, gid });
  if (directory.hasAcl) storeInherited(ctx, inode, inherited);
  return inode;
}

/** Gives a new inode its first name. */
export function addFirstName(ctx: Context, directory: Inode, name: Name, inode: Inode): void {
  inode.parent = directory.ino;
  inode.name = name;
  inode.nlink = isDirectory(inode.mode) ? 2 : 1;
  ctx.namespace.update(inode);
  ctx.namespace.insert(directory.ino, name, inode.ino, entryType(inode.mode));
  if (isDirectory(inode.mode)) directory.nlink++;
  touchModified(ctx, directory);
}

/** @throws EEXIST, ENAMETOOLONG, ENOENT (the directory was removed). */
export function freeName(ctx: Context, parent: number, name: Name): Inode {
  checkName(name);
  const directory = directoryOf(ctx, parent);
  if (ctx.namespace.lookup(parent, name) !== undefined) throw new FileError('EEXIST');
  return directory;
}

export function mkdir(
  ctx: Context,
  caller: Caller,
  parent: number,
  name: Name,
  mode: number,
): Attributes {
  const directory = freeName(ctx, parent, name);
  if (directory.nlink >= LINK_MAX) throw new FileError('EMLINK');
  const inode = newInode(ctx, caller, directory, { mode: (mode & 0o7777) | S_IFDIR });
  addFirstName(ctx, directory, name, inode);
  return attributesOf(ctx, inode);
}

/** Fifos, sockets, devices, and regular files without an open. */
export function mknod(
  ctx: Context,
  caller: Caller,
  parent: number,
  name: Name,
  mode: number,
  rdev: number,
): Attributes {
  const directory = freeName(ctx, parent, name);
  const inode = newInode(ctx, caller, directory, { mode, rdev });
  if (isRegular(mode)) inode.fileClass = ctx.placing.classify(parent, name);
  addFirstName(ctx, directory, name, inode);
  return attributesOf(ctx, inode);
}

export function symlink(
  ctx: Context,
  caller: Caller,
  parent: number,
  name: Name,
  target: Name,
): Attributes {
  const directory = freeName(ctx, parent, name);
  if (target.length > SYMLINK_MAX) throw new FileError('ENAMETOOLONG');
  const inode = newInode(ctx, caller, directory, { mode: S_IFLNK | 0o777, target });
  inode.size = target.length;
  addFirstName(ctx, directory, name, inode);
  return attributesOf(ctx, inode);
}

export function readlink(ctx: Context, ino: number): Name {
  const inode = inodeOf(ctx, ino);
  if ((inode.mode & S_IFLNK) !== S_IFLNK) throw new FileError('EINVAL');
  touchAccessed(ctx, inode);
  return inode.target;
}

export function link(ctx: Context, ino: number, parent: number, name: Name): Attributes {
  const directory = freeName(ctx, parent, name);
  const inode = inodeOf(ctx, ino);
  if (isDirectory(inode.mode)) throw new FileError('EPERM');
  if (inode.nlink >= LINK_MAX) throw new FileError('EMLINK');
  if (inode.nlink === 0) ctx.orphans.remove(ino);
  // Programs that install a file by link and unlink take the older name away.
  adoptName(ctx, inode, parent, name);
  inode.nlink++;
  touchChanged(ctx, inode);
  ctx.namespace.insert(parent, name, ino, entryType(inode.mode));
  touchModified(ctx, directory);
  return attributesOf(ctx, inode);
}

export function unlink(ctx: Context, parent: number, name: Name): void {
  const directory = directoryOf(ctx, parent);
  const inode = inodeOf(ctx, existing(ctx, parent, name).ino);
  if (isDirectory(inode.mode)) throw new FileError('EISDIR');
  ctx.namespace.remove(parent, name);
  touchModified(ctx, directory);
  dropLink(ctx, inode, parent, name);
}

/** One name less; the last one leaves an orphan. */
export function dropLink(ctx: Context, inode: Inode, parent: number, name: Name): void {
  inode.nlink--;
  if (inode.parent === parent && inode.name === name) {
    inode.parent = 0;
    inode.name = '';
  }
  touchChanged(ctx, inode, now());
  if (inode.nlink === 0) ctx.orphans.add(inode);
}

export function rmdir(ctx: Context, parent: number, name: Name): void {
  const directory = directoryOf(ctx, parent);
  const inode = inodeOf(ctx, existing(ctx, parent, name).ino);
  if (!isDirectory(inode.mode)) throw new FileError('ENOTDIR');
  if (!ctx.namespace.isEmpty(inode.ino)) throw new FileError('ENOTEMPTY');
  ctx.namespace.remove(parent, name);
  directory.nlink--;
  touchModified(ctx, directory);
  dropDirectory(ctx, inode);
}

/** An empty directory lost its name; a program may still stand in it. */
export function dropDirectory(ctx: Context, inode: Inode): void {
  inode.nlink = 0;
  inode.parent = 0;
  inode.name = '';
  touchChanged(ctx, inode);
  ctx.orphans.add(inode);
  ctx.placing.directoryMoved();
}
