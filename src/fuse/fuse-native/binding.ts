/**
 * The compiled half of the npm package `fuse-native`, as it comes prebuilt in the package, and its loader.
 *
 * Its JavaScript half is not used: it drops file handles and flags, takes its answers through Dates, and
 * unmounts by a program that may not be there. The binding calls a handler per operation on the event
 * loop, while a thread of libfuse waits, and takes the answer by the `fuse_native_signal_*` function of that
 * operation.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { native } from '../../native.js';

/** The binding's record of a waiting thread. */
export type Waiter = Buffer;
/** `opcode` is the binding's own number; `args` differ by operation, see callbacks.ts. */
export type Handler = (waiter: Waiter, opcode: number, ...args: never[]) => void;

export const OPERATION_NAMES = [
  ...['init', 'statfs', 'getattr', 'fgetattr', 'fsync', 'fsyncdir', 'readdir', 'truncate'],
  ...['ftruncate', 'utimens', 'readlink', 'chown', 'chmod', 'mknod', 'setxattr', 'getxattr'],
  ...['listxattr', 'removexattr', 'open', 'read', 'write', 'release', 'create', 'unlink'],
  ...['rename', 'link', 'symlink', 'mkdir', 'rmdir'],
] as const;

interface Binding {
  readonly sizeof_fuse_thread_t: number;
  /** @throws Error without a reason; libfuse wrote it to standard error. */
  fuse_native_mount(
    mountpoint: string,
    options: string,
    thread: Buffer,
    context: object,
    allocate: (size: number) => Buffer,
    handlers: (Handler | undefined)[],
    implemented: Uint32Array,
  ): void;
  /** Lets the event loop end; unmounts nothing. */
  fuse_native_unmount(mountpoint: string, thread: Buffer): void;
  /** op_* are numbers, fuse_native_signal_* functions. */
  [name: string]: unknown;
}

/** The binding cuts mount point and options off here. Bytes, with a NUL. */
const TEXT_LIMIT = 1024;
const HANDLER_SLOTS = 35;

export interface Mount {
  /** After the mount ended, or when it no longer matters: the event loop may end. */
  release(): void;
}

export interface Fuse2 {
  /** Answers an operation: a result (negative errno) and what the operation gives beside it. */
  answer(operation: string, waiter: Waiter, reply: readonly unknown[]): void;
  /** @throws Error */
  mount(mountpoint: string, options: string, handlers: ReadonlyMap<string, Handler>): Mount;
}

const require = createRequire(import.meta.url);

/**
 * Loads libfuse and the binding. `onEnd` is called when the mount ended. Once per process.
 * @throws Error where the package has nothing for this machine
 */
export function loadFuse2(onEnd: () => void): Fuse2 {
  const binaries = join(
    dirname(require.resolve('fuse-native/package.json')),
    'prebuilds',
    `${process.platform}-${process.arch}`,
  );
  native.openLibfuse2(join(binaries, 'libfuse.so'), onEnd);
  const binding = require(join(binaries, 'node.napi.node')) as Binding;
  return {
    answer: (operation, waiter, reply) => signalOf(binding, operation)(waiter, ...reply),
    mount: (mountpoint, options, handlers) => mount(binding, mountpoint, options, handlers),
  };
}

function signalOf(binding: Binding, operation: string): (...args: unknown[]) => void {
  return binding[`fuse_native_signal_${operation}`] as (...args: unknown[]) => void;
}

function mount(
  binding: Binding,
  mountpoint: string,
  options: string,
  handlers: ReadonlyMap<string, Handler>,
): Mount {
  for (const text of [mountpoint, options]) {
    if (Buffer.byteLength(text) >= TEXT_LIMIT) throw new Error(`too long for libfuse 2: ${text}`);
  }
  const thread = Buffer.alloc(binding.sizeof_fuse_thread_t);
  const table: (Handler | undefined)[] = new Array<undefined>(HANDLER_SLOTS).fill(undefined);
  const implemented = new Uint32Array(HANDLER_SLOTS);
  for (const [name, handler] of handlers) {
    const slot = binding[`op_${name}`] as number;
    table[slot] = handler;
    implemented[slot] = 1;
  }
  // The binding keeps addresses in these.
  const kept: Buffer[] = [thread];
  const allocate = (size: number) => {
    const memory = Buffer.alloc(size);
    kept.push(memory);
    return memory;
  };
  binding.fuse_native_mount(mountpoint, options, thread, kept, allocate, table, implemented);
  return { release: () => binding.fuse_native_unmount(mountpoint, thread) };
}
