/** The options of mount(8) that every filesystem has, and what each means to mount(2). */
import type { KernelMount } from './types.js';

/** Bits of mount(2), from <sys/mount.h>. */
export const MS = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  SYNCHRONOUS: 0x10,
  DIRSYNC: 0x80,
  NOATIME: 0x400,
  NODIRATIME: 0x800,
  SILENT: 0x8000,
  RELATIME: 0x20_0000,
  STRICTATIME: 0x100_0000,
  LAZYTIME: 0x200_0000,
} as const;

interface Effect {
  set?: number;
  clear?: number;
  allowOther?: boolean;
}

const ATIME = MS.NOATIME | MS.RELATIME | MS.STRICTATIME;
const STANDARD: Readonly<Record<string, Effect>> = {
  ro: { set: MS.RDONLY },
  rw: { clear: MS.RDONLY },
  nosuid: { set: MS.NOSUID },
  suid: { clear: MS.NOSUID },
  nodev: { set: MS.NODEV },
  dev: { clear: MS.NODEV },
  noexec: { set: MS.NOEXEC },
  exec: { clear: MS.NOEXEC },
  sync: { set: MS.SYNCHRONOUS },
  async: { clear: MS.SYNCHRONOUS },
  dirsync: { set: MS.DIRSYNC },
  noatime: { set: MS.NOATIME, clear: ATIME },
  atime: { clear: MS.NOATIME },
  relatime: { set: MS.RELATIME, clear: ATIME },
  norelatime: { clear: MS.RELATIME },
  strictatime: { set: MS.STRICTATIME, clear: ATIME },
  nostrictatime: { clear: MS.STRICTATIME },
  nodiratime: { set: MS.NODIRATIME },
  diratime: { clear: MS.NODIRATIME },
  lazytime: { set: MS.LAZYTIME },
  nolazytime: { clear: MS.LAZYTIME },
  silent: { set: MS.SILENT },
  loud: { clear: MS.SILENT },
  allow_other: { allowOther: true },
  noallow_other: { allowOther: false },
  // The kernel always checks permissions here, so asking for it changes nothing.
  default_permissions: {},
};

/** For mount(8), fstab and systemd only: no business of the filesystem. */
const IGNORED = new Set(
  ['auto', 'noauto', 'user', 'nouser', 'users', 'owner', 'group', 'nofail', 'defaults'].concat([
    '_netdev',
    '_rnetdev',
  ]),
);
const IGNORED_WITH_VALUE = /^(x-|X-|comment=|user=|uhelper=|helper=)/;

export const STANDARD_NAMES: readonly string[] = [...Object.keys(STANDARD), ...IGNORED];

export function isIgnored(option: string): boolean {
  return IGNORED.has(option) || IGNORED_WITH_VALUE.test(option);
}

export function isStandard(option: string): boolean {
  return Object.hasOwn(STANDARD, option);
}

/**
 * What the kernel is told. As in libfuse, set-user-id programs and devices count only where asked for
 * (mount(8) asks, for root). Root's mounts are for everybody, because the kernel checks permissions;
 * other users need `allow_other` and the consent of /etc/fuse.conf.
 */
export function kernelMount(options: readonly string[], isRoot: boolean): KernelMount {
  let flags: number = MS.NOSUID | MS.NODEV;
  let allowOther = isRoot;
  for (const option of options) {
    const effect = STANDARD[option];
    flags = (flags & ~(effect.clear ?? 0)) | (effect.set ?? 0);
    allowOther = effect.allowOther ?? allowOther;
  }
  return { flags, readOnly: (flags & MS.RDONLY) !== 0, allowOther };
}
