/** Files that come from outside of the mount, packed before they have an inode. */
import type { FileClass } from '../config/file-class.js';
import type { Recipe } from '../content/types.js';
import type { Name } from '../namespace/types.js';
import type { Xattr } from '../native.js';
import type { Context } from './context.js';
import { addFirstName, freeName } from './entries.js';
import { PERMISSIONS, S_IFREG } from './modes.js';
import { storeXattrs } from './xattrs.js';

/** What `cp -a` would keep of a file without extended attributes. */
export interface FileAttributes {
  /** Permissions with set-id bits. */
  mode: number;
  uid: number;
  gid: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
}

export interface AddedFile extends FileAttributes {
  parent: number;
  name: Name;
  fileClass: FileClass;
  /** Its chunks are durable and findable. */
  recipe: Recipe;
  /** Tier id. */
  packedTier: number;
  packedBytes: number;
  digest: string;
  xattrs: readonly Xattr[];
}

/**
 * Gives it an inode and a name: one turn, so that nobody sees it without its data, or without the ACL that its mode alone
 * would grant too much.
 * @returns false where an extended attribute can't be stored here
 * @throws EEXIST, ENAMETOOLONG, ENOENT (the directory was removed), the store's error while nothing can be made durable
 */
export function addPacked(ctx: Context, file: AddedFile): boolean {
  const { parent, name, mode, uid, gid, recipe, xattrs, ...fields } = file;
  if (ctx.namespace.failed !== null) throw ctx.namespace.failed;
  const directory = freeName(ctx, parent, name);
  const inode = ctx.namespace.create({ mode: (mode & PERMISSIONS) | S_IFREG, uid, gid });
  ctx.content.commitRecipe(recipe, inode.ino);
  Object.assign(inode, fields, { size: recipe.size });
  const keptAll = storeXattrs(ctx, inode, xattrs);
  addFirstName(ctx, directory, name, inode);
  // The kernel may remember that there was no such name.
  ctx.server.invalidateEntry(parent, Buffer.from(name, 'latin1'));
  return keptAll;
}

/** Resolves when whoever looks into the directories sees what was added: the kernel keeps attributes and listings. */
export async function showAdded(ctx: Context, directories: Iterable<number>): Promise<void> {
  // What the kernel is told, it is told in order.
  await Promise.all(Array.from(directories, (ino) => ctx.server.writeBack(ino)));
}
