/** Finds out what kind of medium a directory lies on, for `init` without `medium=`. */
import { readFile, readlink, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Medium } from './types.js';

/** The kernel's answer, or `ssd` where it has none (network filesystems, tmpfs, btrfs). */
export async function detectMedium(directory: string): Promise<Medium> {
  const { dev } = await stat(directory, { bigint: true });
  return mediumOfDevice(`${deviceMajor(dev)}:${deviceMinor(dev)}`, '/sys');
}

/** `device` is `MAJ:MIN`; `sysfs` is a parameter for tests. */
export async function mediumOfDevice(device: string, sysfs: string): Promise<Medium> {
  const disk = await wholeDisk(`${sysfs}/dev/block/${device}`);
  if (disk === undefined) return 'ssd';
  const name = basename(disk);
  if (name.startsWith('nvme')) return 'nvme';
  // A loop device says nothing of what its file lies on; `init` has an option for it.
  if (name.startsWith('loop')) return 'ssd';
  return (await readText(`${disk}/queue/rotational`)) === '1' ? 'hdd' : 'ssd';
}

/** The sysfs directory of the disk that a device or partition is on: the one with a `queue`. */
async function wholeDisk(link: string): Promise<string | undefined> {
  const target = await readlink(link).catch(() => undefined);
  if (target === undefined) return undefined;
  const device = `${dirname(link)}/${target}`;
  return (await readText(`${device}/partition`)) === undefined ? device : dirname(device);
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

// The layout of a 64-bit dev_t: makedev(3).
function deviceMajor(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
}

function deviceMinor(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
}
