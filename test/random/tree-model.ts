/**
 * What a directory tree must look like: inodes, names, and what each call must do to them or why it must
 * fail. Every operation answers null, or the name of the errno as ext4 gives it to root.
 */

export type Kind = 'file' | 'directory' | 'symlink' | 'fifo';

export interface TreeNode {
  kind: Kind;
  mode: number;
  uid: number;
  gid: number;
  /** Set by a program, or null where the clock decides. */
  mtimeNs: string | null;
  target: string;
  /** Values in hexadecimal. */
  xattrs: Map<string, string>;
  entries: Map<string, number>;
  /** Of a directory. */
  parent: number;
}

/** A name that may or may not be there. */
export interface Place {
  directory: number;
  name: string;
}

export type Errno = string | null;

export const ROOT = 1;
export const NOREPLACE = 1;
export const EXCHANGE = 2;
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

export class Tree {
  private constructor(
    private readonly nodes: Map<number, TreeNode>,
    private next: number,
  ) {}

  static empty(): Tree {
    return new Tree(new Map([[ROOT, newNode('directory', 0o755, ROOT)]]), ROOT + 1);
  }

  /** Without what has no name any more. */
  clone(): Tree {
    const nodes = new Map<number, TreeNode>();
    const copy = (number: number): void => {
      if (nodes.has(number)) return;
      const node = this.node(number);
      nodes.set(number, { ...node, xattrs: new Map(node.xattrs), entries: new Map(node.entries) });
      for (const child of node.entries.values()) copy(child);
    };
    copy(ROOT);
    return new Tree(nodes, this.next);
  }

  node(number: number): TreeNode {
    const node = this.nodes.get(number);
    if (node === undefined) throw new Error(`the model has no inode ${String(number)}`);
    return node;
  }

  /** The inode with this name, or undefined. */
  at({ directory, name }: Place): number | undefined {
    return this.node(directory).entries.get(name);
  }

  /** Path below the root, without a leading slash. */
  path({ directory, name }: Place): string {
    const parent = this.directoryPath(directory);
    return parent === '' ? name : `${parent}/${name}`;
  }

  directoryPath(directory: number): string {
    if (directory === ROOT) return '';
    const { parent } = this.node(directory);
    for (const [name, number] of this.node(parent).entries) {
      if (number === directory) return this.path({ directory: parent, name });
    }
    throw new Error(`the model lost directory ${String(directory)}`);
  }

  /** Every name with its inode, parents first. */
  *places(from = ROOT): Iterable<Place & { number: number }> {
    for (const [name, number] of this.node(from).entries) {
      yield { directory: from, name, number };
      if (this.node(number).kind === 'directory') yield* this.places(number);
    }
  }

  /** As stat counts: names of a file, or a directory's own two and one for each below it. */
  links(number: number): number {
    const isDirectory = (child: number): boolean => this.node(child).kind === 'directory';
    if (isDirectory(number)) {
      return 2 + [...this.node(number).entries.values()].filter(isDirectory).length;
    }
    return [...this.places()].filter((place) => place.number === number).length;
  }

  add(place: Place, kind: Kind, mode: number, target = ''): Errno {
    if (this.at(place) !== undefined) return 'EEXIST';
    const node = newNode(kind, mode, place.directory);
    node.target = target;
    this.nodes.set(this.next, node);
    this.insert(place, this.next++);
    return null;
  }

  link(source: Place, target: Place): Errno {
    const number = this.at(source);
    if (number === undefined) return 'ENOENT';
    if (this.at(target) !== undefined) return 'EEXIST';
    if (this.node(number).kind === 'directory') return 'EPERM';
    this.insert(target, number);
    return null;
  }

  unlink(place: Place): Errno {
    const number = this.at(place);
    if (number === undefined) return 'ENOENT';
    if (this.node(number).kind === 'directory') return 'EISDIR';
    this.remove(place);
    return null;
  }

  rmdir(place: Place): Errno {
    const number = this.at(place);
    if (number === undefined) return 'ENOENT';
    if (this.node(number).kind !== 'directory') return 'ENOTDIR';
    if (this.node(number).entries.size > 0) return 'ENOTEMPTY';
    this.remove(place);
    return null;
  }

  rename(source: Place, target: Place, flags: number): Errno {
    const moved = this.at(source);
    const replaced = this.at(target);
    const refused = this.refusesRename(source, target, flags);
    if (refused !== null) return refused;
    if (moved === undefined || moved === replaced) return null;
    if (flags === EXCHANGE && replaced !== undefined) {
      this.insert(source, replaced);
    } else {
      this.remove(source);
    }
    this.insert(target, moved);
    return null;
  }

  /** In the order in which the kernel looks. */
  private refusesRename(source: Place, target: Place, flags: number): Errno {
    const moved = this.at(source);
    const replaced = this.at(target);
    if (moved === undefined) return 'ENOENT';
    if (flags === NOREPLACE && replaced !== undefined) return 'EEXIST';
    if (flags === EXCHANGE && replaced === undefined) return 'ENOENT';
    if (this.isWithin(target.directory, moved)) return 'EINVAL';
    if (replaced === undefined) return null;
    if (this.isWithin(source.directory, replaced)) {
      return flags === EXCHANGE ? 'EINVAL' : 'ENOTEMPTY';
    }
    if (flags === EXCHANGE || moved === replaced) return null;
    return this.refusesReplacing(moved, replaced);
  }

  private refusesReplacing(moved: number, replaced: number): Errno {
    const target = this.node(replaced);
    if (this.node(moved).kind !== 'directory') return target.kind === 'directory' ? 'EISDIR' : null;
    if (target.kind !== 'directory') return 'ENOTDIR';
    return target.entries.size > 0 ? 'ENOTEMPTY' : null;
  }

  /** True where `directory` is `ancestor` or lies below it. */
  private isWithin(directory: number, ancestor: number): boolean {
    for (let number = directory; ; number = this.node(number).parent) {
      if (number === ancestor) return true;
      if (number === ROOT) return false;
    }
  }

  setXattr(number: number, name: string, value: string, flags: number): Errno {
    const node = this.node(number);
    if (name.startsWith('user.') && !['file', 'directory'].includes(node.kind)) return 'EPERM';
    const exists = node.xattrs.has(name);
    if (exists && flags === XATTR_CREATE) return 'EEXIST';
    if (!exists && flags === XATTR_REPLACE) return 'ENODATA';
    node.xattrs.set(name, value);
    return null;
  }

  removeXattr(number: number, name: string): Errno {
    const node = this.node(number);
    if (name.startsWith('user.') && !['file', 'directory'].includes(node.kind)) return 'EPERM';
    return node.xattrs.delete(name) ? null : 'ENODATA';
  }

  private insert({ directory, name }: Place, number: number): void {
    const parent = this.node(directory);
    parent.entries.set(name, number);
    parent.mtimeNs = null;
    const node = this.node(number);
    if (node.kind === 'directory') node.parent = directory;
  }

  private remove({ directory, name }: Place): void {
    const parent = this.node(directory);
    parent.entries.delete(name);
    parent.mtimeNs = null;
  }
}

function newNode(kind: Kind, mode: number, parent: number): TreeNode {
  return {
    kind,
    mode,
    uid: 0,
    gid: 0,
    mtimeNs: null,
    target: '',
    xattrs: new Map(),
    entries: new Map(),
    parent,
  };
}
