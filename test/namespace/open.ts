/** Namespaces on a scratch store, for tests. */
import type { TestContext } from 'node:test';
import { createNamespace, type NamespaceParts } from '../../src/namespace/namespace.js';
import type { Inode, Name, Namespace } from '../../src/namespace/types.js';
import { openStore, type StoreOptions } from '../../src/store/store.js';
import type { Store } from '../../src/store/types.js';
import { scratchDirectory } from '../store/scratch.js';

export const DIRECTORY = 0o40755;
export const FILE = 0o100644;
export const DT_DIR = 4;
export const DT_REG = 8;

export interface Opened {
  store: Store;
  namespace: Namespace;
  /** Closes and opens again, from what is on disk. */
  reopen(): Promise<Opened>;
}

export async function openScratch(
  t: TestContext,
  parts: NamespaceParts = {},
  options: StoreOptions = {},
): Promise<Opened> {
  const directory = scratchDirectory(t);
  const openAt = async (): Promise<Opened> => {
    const store = await openStore(directory, options);
    t.after(() => store.close());
    const reopen = async (): Promise<Opened> => {
      await store.close();
      return openAt();
    };
    return { store, namespace: createNamespace(store, parts), reopen };
  };
  return openAt();
}

/** A file or directory with its entry. */
export function make(namespace: Namespace, parent: number, name: Name, mode = FILE): Inode {
  const inode = namespace.create({ mode, uid: 1, gid: 2 });
  inode.nlink = 1;
  inode.parent = parent;
  inode.name = name;
  namespace.update(inode);
  namespace.insert(parent, name, inode.ino, mode >>> 12);
  return inode;
}
