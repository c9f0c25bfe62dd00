/** The two ways to talk to the kernel, made to look the same to the daemon. */
import { CoralError, ExitCode, errnoName, reasonOf, usageError } from '../config/errors.js';
import { MS } from '../config/mount-options.js';
import { createChannel } from '../fuse/channel.js';
import type { DataServer } from '../fuse/data-server.js';
import { createFuseNativeChannel } from '../fuse/fuse-native/channel.js';
import type { FuseSession } from '../native.js';
import { mountKernel, SUBTYPE } from './kernel-mount.js';
import type { Parts } from './parts.js';
import type { MountPlan } from './preflight.js';

export interface ChannelEvents {
  /** The kernel's handshake is done; requests follow. */
  onReady(passthrough: boolean, features: string[]): void;
  /** The mount is gone: 0 after an unmount, else an errno. */
  onEnd(errno: number): void;
  /** @returns whether the chunk may be good now */
  onDamage(ino: number, chunk: number, packPath: string, reason: string): Promise<boolean>;
}

export interface Channel {
  readonly server: DataServer;
  /** Begins to serve. @throws CoralError */
  start(): void;
  /** Serves no more, whatever is open. */
  stop(): Promise<void>;
}

/** Mounts by the channel that the settings name, here or in `start`. @throws CoralError */
export function openChannel(parts: Parts, events: ChannelEvents): Channel {
  const open = parts.plan.settings.channel === 'native' ? openNative : openFuseNative;
  return open(parts, events);
}

function openNative({ plan, filesystem, log }: Parts, events: ChannelEvents): Channel {
  const { settings } = plan;
  const session = createChannel({
    fd: mountKernel(plan.directory, plan.mountpoint, settings.mount),
    operations: filesystem.operations,
    wantPassthrough: settings.passthrough === 'auto',
    log,
    onReady: ({ passthrough, features }) =>
      events.onReady(passthrough && mayPassThrough(session), features),
    onEnd: events.onEnd,
    onDamage: events.onDamage,
  });
  return { server: session, start: () => session.start(), stop: () => session.stop() };
}

/** The kernel looks at the right before it looks at the descriptor, which is none here. */
function mayPassThrough(session: FuseSession): boolean {
  try {
    session.backingOpen(-1);
    return true;
  } catch (error) {
    return errnoName(error) !== 'EPERM';
  }
}

function openFuseNative({ plan, filesystem, log }: Parts, events: ChannelEvents): Channel {
  const { mountpoint, settings } = plan;
  checkFlags(settings.mount.flags);
  const channel = refusing(mountpoint, 'fuse-native can not be loaded', () =>
    createFuseNativeChannel({
      mountpoint,
      mountOptions: libfuseOptions(plan, process.geteuid?.() === 0),
      operations: filesystem.operations,
      log,
      onReady: () => events.onReady(false, ['fuse-native']),
      onEnd: () => events.onEnd(0),
      onDamage: (...damage) => void events.onDamage(...damage),
    }),
  );
  const start = () => refusing(mountpoint, 'libfuse 2 refuses to mount there', channel.start);
  return { server: channel.server, start, stop: channel.stop };
}

/** Runs what fails with an error that says little. @throws CoralError */
function refusing<T>(mountpoint: string, what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const message = `${mountpoint}: ${what}: ${reasonOf(error)}. Try: -o channel=native`;
    throw new CoralError(ExitCode.failed, message, { cause: error });
  }
}

/**
 * Nothing is cached by name or attribute: with libfuse 2 two links of a file are two inodes to the kernel, and
 * no one could tell it that one changed with the other.
 */
const LIBFUSE_OPTIONS = [
  ...['default_permissions', 'use_ino', 'big_writes', 'no_splice_read'],
  ...['entry_timeout=0', 'attr_timeout=0', 'negative_timeout=0'],
];

/** What libfuse calls the flags that it knows. It sets nosuid and nodev by itself. */
const FLAG_WORDS: readonly (readonly [number, string])[] = [
  [MS.RDONLY, 'ro'],
  [MS.NOEXEC, 'noexec'],
  [MS.SYNCHRONOUS, 'sync'],
  [MS.DIRSYNC, 'dirsync'],
  [MS.NOATIME, 'noatime'],
];

/** It refuses these; a remount sets them, without its knowing. */
const UNKNOWN_FLAGS: readonly (readonly [number, string])[] = [
  [MS.NOSYMFOLLOW, 'nosymfollow'],
  [MS.STRICTATIME, 'strictatime'],
  [MS.NODIRATIME, 'nodiratime'],
  [MS.LAZYTIME, 'lazytime'],
];

function checkFlags(flags: number): void {
  const unknown = UNKNOWN_FLAGS.find(([flag]) => (flags & flag) !== 0);
  if (unknown === undefined) return;
  throw usageError(
    `-o ${unknown[1]}: libfuse 2 does not know it. Leave it out, or mount with channel=native`,
  );
}

/** `-o` and its list. `isRoot`: others can't ask for suid and dev, and needn't say that they don't. */
export function libfuseOptions(
  { directory, settings }: Pick<MountPlan, 'directory' | 'settings'>,
  isRoot: boolean,
): string {
  const { flags, allowOther, autoUnmount, contexts } = settings.mount;
  const words = [`fsname=${escaped(directory)}`, `subtype=${SUBTYPE}`, ...LIBFUSE_OPTIONS];
  words.push(...contexts.map(escaped));
  for (const [flag, word] of FLAG_WORDS) if ((flags & flag) !== 0) words.push(word);
  if (isRoot && (flags & MS.NOSUID) === 0) words.push('suid');
  if (isRoot && (flags & MS.NODEV) === 0) words.push('dev');
  if (allowOther) words.push('allow_other');
  if (autoUnmount) words.push('auto_unmount');
  return `-o${words.join(',')}`;
}

const escaped = (text: string): string => text.replace(/[\\,]/g, '\\$&');
