/**
 * Repeatable operations on files of the root directory, for tests: operation number `n` depends only on
 * the seed, on `n` and on what is there, so a plain map can say what a namespace must hold after it.
 */
import { ROOT_INO, type Namespace } from '../../src/namespace/types.js';
import { randomNumbers } from '../store/scratch.js';
import { make } from './open.js';

export interface Files {
  has(name: string): boolean;
  create(name: string, size: number): void;
  resize(name: string, size: number): void;
  unlink(name: string): void;
  rename(from: string, to: string): void;
}

const NAMES = 60;
const OPERATION = 'user.operation';

export function operate(files: Files, seed: number, n: number): void {
  const random = randomNumbers(seed ^ Math.imul(n, 2654435761));
  const pick = (): string => `file ${Math.floor(random() * NAMES)}`;
  const [name, other, choice] = [pick(), pick(), random()];
  if (!files.has(name)) files.create(name, n);
  else if (choice < 0.4) files.resize(name, n);
  else if (choice < 0.7) files.unlink(name);
  else if (other !== name) files.rename(name, other);
}

export function filesInMap(map: Map<string, number>): Files {
  return {
    has: (name) => map.has(name),
    create: (name, size) => map.set(name, size),
    resize: (name, size) => map.set(name, size),
    unlink: (name) => map.delete(name),
    rename(from, to) {
      map.set(to, map.get(from)!);
      map.delete(from);
    },
  };
}

export function filesInNamespace(namespace: Namespace): Files {
  const inodeOf = (name: string) => namespace.get(namespace.lookup(ROOT_INO, name)!.ino)!;
  const resize = (name: string, size: number): void => {
    const inode = inodeOf(name);
    inode.size = size;
    inode.unsettled = size % 2 === 1;
    namespace.update(inode);
  };
  const unlink = (name: string): void => {
    const inode = inodeOf(name);
    namespace.remove(ROOT_INO, name);
    namespace.destroy(inode);
  };
  return {
    has: (name) => namespace.lookup(ROOT_INO, name) !== undefined,
    create(name, size) {
      const inode = make(namespace, ROOT_INO, name);
      namespace.setXattr(inode.ino, 'user.born', Buffer.from(String(size)));
      resize(name, size);
    },
    resize,
    unlink,
    rename(from, to) {
      const inode = inodeOf(from);
      if (namespace.lookup(ROOT_INO, to) !== undefined) unlink(to);
      namespace.remove(ROOT_INO, from);
      namespace.insert(ROOT_INO, to, inode.ino, inode.mode >>> 12);
      inode.name = to;
      namespace.update(inode);
    },
  };
}

/** The number of the last operation, kept in the same group as what it did. */
export function recordOperation(namespace: Namespace, n: number): void {
  namespace.setXattr(ROOT_INO, OPERATION, Buffer.from(String(n)));
}

export function lastOperation(namespace: Namespace): number {
  return Number(namespace.getXattr(ROOT_INO, OPERATION) ?? 0);
}
