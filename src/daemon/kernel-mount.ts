/** Mounting and unmounting, and what is set on a mount from outside of it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { CoralError, ExitCode, errnoName, reasonOf } from '../config/errors.js';
import { bytesOf, mountAt, readMounts } from '../config/mountinfo.js';
import type { KernelMount } from '../config/types.js';
import type { Log } from '../observe/log.js';
import { native } from '../native.js';

export const SUBTYPE = 'coral-reef';
/** The largest read or write that the kernel sends. Bytes. */
const MAX_READ = 1024 * 1024;
/** What the kernel reads ahead of a sequential reader of packed files: measured best. KiB. */
const READ_AHEAD_KIB = 16 * 1024;

/** @returns the FUSE descriptor. @throws CoralError */
export function mountKernel(volume: string, mountpoint: string, mount: KernelMount): number {
  const options = ['default_permissions', `max_read=${MAX_READ}`, ...mount.contexts];
  if (mount.allowOther) options.push('allow_other');
  const { flags, autoUnmount } = mount;
  try {
    return native.mount(volume, mountpoint, SUBTYPE, flags, options.join(','), autoUnmount).fd;
  } catch (error) {
    throw new CoralError(ExitCode.failed, mountProblem(mountpoint, error), { cause: error });
  }
}

function mountProblem(mountpoint: string, error: unknown): string {
  const failed = `${mountpoint}: the kernel refuses to mount there`;
  if (!existsSync('/dev/fuse')) {
    return `${failed}: /dev/fuse is missing. Load the module: modprobe fuse (in a container: --device /dev/fuse)`;
  }
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('fusermount3:')) return `${failed}: ${message}. See: coral-reef doctor`;
  const code = errnoName(error);
  if (code === 'EPERM' || code === 'EACCES') {
    return `${failed}: ${reasonOf(error)}. Mount as root, or install fuse3 for fusermount3`;
  }
  return `${failed}: ${reasonOf(error)}. See: coral-reef doctor`;
}

/**
 * Raises the read-ahead of the mount, where the process may. Looks the device up in mountinfo: the daemon
 * must never look at its own mount point.
 */
export function raiseReadAhead(mountpoint: string, log: Log): void {
  const entry = mountAt(readMounts(), bytesOf(mountpoint));
  if (entry === undefined) return;
  const file = `/sys/class/bdi/${entry.device}/read_ahead_kb`;
  try {
    writeFileSync(file, String(READ_AHEAD_KIB));
    log.debug({ file, kib: Number(readFileSync(file, 'utf8')) }, 'read-ahead raised');
  } catch (error) {
    const why = reasonOf(error);
    log.info({ file, why }, 'read-ahead stays as it is: packed files read slower');
  }
}

/** Takes a mount away whose daemon is gone. What still has files of it open keeps them. */
export function detach(mountpoint: string): void {
  try {
    native.unmount(mountpoint, true);
  } catch (error) {
    throw new CoralError(
      ExitCode.failed,
      `${mountpoint}: a mount without a daemon lies there and can't be taken away: ` +
        `${reasonOf(error)}. Try: umount -l ${mountpoint}`,
      { cause: error },
    );
  }
}

export function isMounted(mountpoint: string, volume: string): boolean {
  const entry = mountAt(readMounts(), bytesOf(mountpoint));
  return entry !== undefined && entry.source === bytesOf(volume);
}
