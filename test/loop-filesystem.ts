/** A filesystem of its own on a loop device, for what depends on the kind of it. Needs root. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MKFS = {
  xfs: ['mkfs.xfs', '-q', '-f', '-m', 'reflink=1'],
  ext4: ['mkfs.ext4', '-q', '-F'],
} as const;

/** Mounts a new one; unmounted and removed by `atEnd`. @returns its root directory */
export function loopFilesystem(
  kind: keyof typeof MKFS,
  atEnd: (clean: () => void) => void,
  bytes = 512 * 1024 * 1024,
): string {
  const root = mkdtempSync(join(tmpdir(), `coral-reef-${kind}-`));
  const [image, mountpoint] = [join(root, 'image'), join(root, 'mnt')];
  writeFileSync(image, '');
  truncateSync(image, bytes);
  mkdirSync(mountpoint);
  atEnd(() => {
    execFileSync('umount', ['-l', '-q', mountpoint]);
    rmSync(root, { recursive: true });
  });
  const [mkfs, ...flags] = MKFS[kind];
  execFileSync(mkfs, [...flags, image]);
  execFileSync('mount', ['-o', 'loop', image, mountpoint]);
  return mountpoint;
}

/** Bytes in use on the filesystem of `path`, with everything written. */
export function usedBytes(path: string): number {
  execFileSync('sync', ['--file-system', path]);
  const { bsize, blocks, bfree } = statfsSync(path);
  return (blocks - bfree) * bsize;
}
