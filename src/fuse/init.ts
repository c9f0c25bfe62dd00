/** The handshake: what the kernel offers, what we take, fuse_init_in and fuse_init_out. */
import {
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MINIMUM_MINOR_VERSION,
  InitFlag,
  MAX_REQUEST_BYTES,
  MAX_REQUEST_PAGES,
} from './protocol.js';
import type { ReplyWriter, RequestView } from './wire.js';

export interface Negotiated {
  minor: number;
  /** The kernel has passthrough and it was asked for. */
  passthrough: boolean;
  /** Names of the features in use, for the log. */
  features: string[];
}

const WANTED = [
  'ASYNC_READ',
  'ATOMIC_O_TRUNC',
  'EXPORT_SUPPORT',
  'BIG_WRITES',
  'DONT_MASK',
  'DO_READDIRPLUS',
  'READDIRPLUS_AUTO',
  'ASYNC_DIO',
  'PARALLEL_DIROPS',
  'POSIX_ACL',
  'MAX_PAGES',
  'CACHE_SYMLINKS',
  'NO_OPENDIR_SUPPORT',
  'EXPLICIT_INVAL_DATA',
  'HANDLE_KILLPRIV_V2',
  'SETXATTR_EXT',
  'INIT_EXT',
  'DIRECT_IO_ALLOW_MMAP',
  'ALLOW_IDMAP',
] as const satisfies readonly (keyof typeof InitFlag)[];

const has = (offered: number, flag: number): boolean => Math.floor(offered / flag) % 2 === 1;

/**
 * Answers INIT into `out`.
 * @throws Error with code EPROTO where the kernel is too old; its message names both versions.
 */
export function negotiate(
  request: RequestView,
  out: ReplyWriter,
  wantPassthrough: boolean,
): Negotiated {
  const major = request.u32(0);
  const minor = request.u32(4);
  if (major !== FUSE_KERNEL_VERSION || minor < FUSE_MINIMUM_MINOR_VERSION) {
    const needed = `${FUSE_KERNEL_VERSION}.${FUSE_MINIMUM_MINOR_VERSION}`;
    const message = `The kernel speaks FUSE ${major}.${minor}; Coral Reef needs ${needed} or later.`;
    throw Object.assign(new Error(message), { code: 'EPROTO' });
  }
  const offered = request.u32(12) + (request.length >= 40 + 20 ? request.u32(16) : 0) * 2 ** 32;
  const features: string[] = WANTED.filter((name) => has(offered, InitFlag[name]));
  const passthrough = wantPassthrough && has(offered, InitFlag.PASSTHROUGH);
  if (passthrough) features.push('PASSTHROUGH');
  const flags = features.reduce((sum, name) => sum + InitFlag[name as keyof typeof InitFlag], 0);
  writeInit(out, Math.min(minor, FUSE_KERNEL_MINOR_VERSION), flags, passthrough);
  return { minor, passthrough, features };
}

/** fuse_init_out, 64 bytes. */
function writeInit(out: ReplyWriter, minor: number, flags: number, passthrough: boolean): void {
  out.u32(FUSE_KERNEL_VERSION);
  out.u32(minor);
  out.u32(32 << 20); // max_readahead: the mount's own setting decides
  out.u32(flags % 2 ** 32);
  out.u16(64); // max_background: reads ahead of a model load must not queue
  out.u16(48); // congestion_threshold
  out.u32(MAX_REQUEST_BYTES); // max_write
  out.u32(1); // time_gran: nanoseconds
  out.u16(MAX_REQUEST_PAGES);
  out.u16(0); // map_alignment
  out.u32(Math.floor(flags / 2 ** 32)); // flags2
  out.u32(passthrough ? 1 : 0); // max_stack_depth: backing files on ordinary filesystems
  out.u16(0); // request_timeout
  out.zeros(22);
}
