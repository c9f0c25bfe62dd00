/** The options of mount(8) that every filesystem has, and what each means to mount(2). */
import type { MountEntry } from './mountinfo.js';
import type { KernelMount } from './types.js';

/** Bits of mount(2), from <sys/mount.h>. */
export const MS = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  SYNCHRONOUS: 0x10,
  DIRSYNC: 0x80,
  NOSYMFOLLOW: 0x100,
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
  autoUnmount?: boolean;
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
  nosymfollow: { set: MS.NOSYMFOLLOW },
  symfollow: { clear: MS.NOSYMFOLLOW },
  silent: { set: MS.SILENT },
  loud: { clear: MS.SILENT },
  allow_other: { allowOther: true },
  noallow_other: { allowOther: false },
  auto_unmount: { autoUnmount: true },
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

/** Labels of SELinux: read by the kernel, before the filesystem sees its options. */
const SECURITY_CONTEXT = /^(fs|def|root)?context=/;

export const STANDARD_NAMES: readonly string[] = [...Object.keys(STANDARD), ...IGNORED];

export function isIgnored(option: string): boolean {
  return IGNORED.has(option) || IGNORED_WITH_VALUE.test(option);
}

export function isStandard(option: string): boolean {
  return Object.hasOwn(STANDARD, option) || SECURITY_CONTEXT.test(option);
}

/**
 * What the kernel is told. As in libfuse, set-user-id programs and devices count only where asked for
 * (mount(8) asks, for root). Root's mounts are for everybody, because the kernel checks permissions;
 * other users need `allow_other` and the consent of /etc/fuse.conf.
 */
export function kernelMount(options: readonly string[], isRoot: boolean): KernelMount {
  const flags = withWords(MS.NOSUID | MS.NODEV, options);
  return {
    flags,
    readOnly: (flags & MS.RDONLY) !== 0,
    allowOther: lastSaid(options, 'allowOther') ?? isRoot,
    autoUnmount: lastSaid(options, 'autoUnmount') ?? false,
    contexts: options.filter((option) => SECURITY_CONTEXT.test(option)),
  };
}

/** The flags that `words` make of `flags`; a later word wins over an earlier one. */
export function withWords(flags: number, words: readonly string[]): number {
  return words.reduce((sum, word) => {
    const { clear = 0, set = 0 } = effectOf(word);
    return (sum & ~clear) | set;
  }, flags);
}

/** The flags that a mount has now, as a remount must name them to keep them. */
export function flagsOf({ options, superOptions }: MountEntry): number {
  const flags = withWords(0, [...superOptions, ...options.filter((word) => word !== 'rw')]);
  // Mountinfo shows no word for it, and a remount without any word for access times keeps them.
  return (flags & (MS.NOATIME | MS.RELATIME)) === 0 ? flags | MS.STRICTATIME : flags;
}

function lastSaid(words: readonly string[], key: 'allowOther' | 'autoUnmount') {
  return words.map((word) => effectOf(word)[key]).findLast((said) => said !== undefined);
}

function effectOf(word: string): Effect {
  return Object.hasOwn(STANDARD, word) ? STANDARD[word] : {};
}
