/** What cases of several families use. */
import { lstat, S } from './system/attributes.js';
import { close, createFile, O, read, withOpen } from './system/files.js';
import { bindSocket, mkdir, mkfifo, mknod, symlink } from './system/names.js';

/** One of each kind of file. */
export interface Maker {
  kind: string;
  type: number;
  needsRoot: boolean;
  make(path: string): void;
}

export const MAKERS: readonly Maker[] = [
  { kind: 'a file', type: S.IFREG, needsRoot: false, make: (path) => createFile(path) },
  { kind: 'a directory', type: S.IFDIR, needsRoot: false, make: (path) => mkdir(path) },
  { kind: 'a fifo', type: S.IFIFO, needsRoot: false, make: (path) => mkfifo(path) },
  { kind: 'a socket', type: S.IFSOCK, needsRoot: false, make: (path) => close(bindSocket(path)) },
  { kind: 'a symbolic link', type: S.IFLNK, needsRoot: false, make: (path) => symlink('t', path) },
  {
    kind: 'a character device',
    type: S.IFCHR,
    needsRoot: true,
    make: (path) => mknod(path, S.IFCHR | 0o644, 1, 3),
  },
  {
    kind: 'a block device',
    type: S.IFBLK,
    needsRoot: true,
    make: (path) => mknod(path, S.IFBLK | 0o644, 7, 200),
  },
];

export function contentOf(path: string): string {
  return withOpen(path, O.RDONLY, (fd) => read(fd, 1 << 20).toString('latin1'));
}

export function exists(path: string): boolean {
  try {
    lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Lets more time pass than the clock of a filesystem needs to show it; synchronous. */
export function later(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 12);
}
