/** A filesystem of its own on a loop device, for what depends on the kind of it. Needs root. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const MKFS = {
  xfs: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q', '-f'],
  ext4: ['mkfs.ext4', '-q', '-F'],
} as const;

export type LoopKind = keyof typeof MKFS;

/** Makes a filesystem in a new sparse file and mounts it on a directory. `flags` are mkfs's. */
export function mountImage(
  kind: LoopKind,
  image: string,
  mountpoint: string,
  bytes: number,
  flags: readonly string[] = [],
): void {
  writeFileSync(image, '');
  truncateSync(image, bytes);
  const [mkfs, ...own] = MKFS[kind];
  execFileSync(mkfs, [...own, ...flags, image]);
  execFileSync('mount', ['-o', 'loop', image, mountpoint]);
}

/** Mounts a new one; unmounted and removed by `atEnd`. @returns its root directory */
export function loopFilesystem(
  kind: LoopKind,
  atEnd: (clean: () => void) => void,
  bytes = 512 * 1024 * 1024,
): string {
  const root = mkdtempSync(join(tmpdir(), `coral-reef-${kind}-`));
  const mountpoint = join(root, 'mnt');
  mkdirSync(mountpoint);
  atEnd(() => {
    execFileSync('umount', ['-l', '-q', mountpoint]);
    rmSync(root, { recursive: true });
  });
  mountImage(kind, join(root, 'image'), mountpoint, bytes);
  return mountpoint;
}

/** From now on every access gives EIO, as where the cable of the disk fell out, until it is unmounted and mounted again. */
export function shutDown(mountpoint: string): void {
  execFileSync('xfs_io', ['-x', '-c', 'shutdown', mountpoint]);
}

/** From now on btrfs gives EIO where a file has these bytes: on the medium they no longer have their checksum. */
export function makeUnreadable(mountpoint: string, bytes: Buffer): void {
  execFileSync('sync', ['--file-system', mountpoint]);
  const image = join(dirname(mountpoint), 'image');
  const at = readFileSync(image).indexOf(bytes);
  const medium = openSync(image, 'r+');
  writeSync(medium, Buffer.alloc(bytes.length), 0, bytes.length, at);
  closeSync(medium);
  writeFileSync('/proc/sys/vm/drop_caches', '1');
}

/** A filesystem whose medium can fail: it takes what is written, and writing it back is an error once there is no room. */
export interface ThinFilesystem {
  path: string;
  /** How much the medium behind it holds, in bytes. */
  setRoom(bytes: number): void;
}

/** Without a journal, so that only the data that found no room fails. Unmounted and removed by `atEnd`. */
export function thinFilesystem(
  atEnd: (clean: () => void) => void,
  bytes: number,
  room: number,
): ThinFilesystem {
  const root = mkdtempSync(join(tmpdir(), 'coral-reef-thin-'));
  const [medium, mountpoint] = [join(root, 'medium'), join(root, 'mnt')];
  for (const path of [medium, mountpoint]) mkdirSync(path);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${room}`, 'tmpfs', medium]);
  atEnd(() => {
    for (const path of [mountpoint, medium]) execFileSync('umount', ['-l', '-q', path]);
    rmSync(root, { recursive: true });
  });
  mountImage('ext4', join(medium, 'image'), mountpoint, bytes, ['-O', '^has_journal']);
  return {
    path: mountpoint,
    setRoom: (size) => execFileSync('mount', ['-o', `remount,size=${size}`, medium]),
  };
}

/** Bytes in use on the filesystem of `path`, with everything written. */
export function usedBytes(path: string): number {
  execFileSync('sync', ['--file-system', path]);
  const { bsize, blocks, bfree } = statfsSync(path);
  return (blocks - bfree) * bsize;
}
