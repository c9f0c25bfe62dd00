/**
 * A small FUSE server for tests of the native session: one directory of files that lie in a backing
 * directory, decoded with just enough of the protocol. How a file is opened is chosen by its name:
 * `plain-*` is served by native threads, `passthrough-*` by the kernel, `late-*` is served only after
 * its first READ or WRITE was parked, `script-*` is answered in JavaScript. What has a plan is served
 * from that; the file in the backing directory then lends its size only.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { native, NO_REPLY, PENDING, type FuseSession, type PlanHandle } from '../../src/native.js';

const O_RDWR = 2;
const ENOENT = 2;
const EIO = 5;
const EBADF = 9;
const ENOSYS = 38;

const Op = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  open: 14,
  read: 15,
  write: 16,
  release: 18,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
} as const;

const IN_HEADER = 40;
const FOPEN_PASSTHROUGH = 1 << 7;
const FOPEN_DIRECT_IO = 1;
const INIT_ASYNC_READ = 1;
const INIT_BIG_WRITES = 1 << 5;
const INIT_MAX_PAGES = 1 << 22;
const INIT_EXT = 1 << 30;
/** Bit 37, in the second word of flags. */
const INIT2_PASSTHROUGH = 1 << 5;

interface OpenFile {
  fd: number;
  backingId: number;
  /** The kernel sends RELEASE late: a file can be opened again before. */
  handles: number;
}

export interface TinyServer {
  session: FuseSession;
  /** Opcodes that JavaScript saw, in order. */
  seen: number[];
  /** What onEnd said. */
  ended: Promise<number>;
  damages: { ino: number; chunk: number; packPath: string; reason: string }[];
  /** Inode number by name; names are added as they are looked up. */
  inodes: Map<string, number>;
}

/** Serves `names` in `backing` on the mounted descriptor `fd`. */
export function serveTiny(
  fd: number,
  backing: string,
  names: readonly string[],
  plans: ReadonlyMap<string, PlanHandle> = new Map(),
): TinyServer {
  const inodes = new Map(names.map((name, index) => [name, index + 2]));
  const nameOf = (ino: number): string => names[ino - 2];
  const open = new Map<number, OpenFile>();
  const seen: number[] = [];
  const damages: TinyServer['damages'] = [];
  let end: (errno: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => (end = resolve));

  const session: FuseSession = native.createSession(fd, {
    onRequests: (first) => {
      for (let length = first; length > 0;) length = session.next(handle(length));
    },
    onEnd: (errno) => end(errno),
    onDamage: (unique, ino, chunk, packPath, reason) => {
      damages.push({ ino, chunk, packPath, reason });
      session.respond(unique, EIO);
    },
  });
  const { request, reply } = session;

  function handle(length: number): number {
    const opcode = request.readUInt32LE(4);
    const ino = Number(request.readBigUInt64LE(16));
    seen.push(opcode);
    switch (opcode) {
      case Op.init:
        return init();
      case Op.lookup:
        return lookup(request.toString('utf8', IN_HEADER, length - 1));
      case Op.getattr:
        return getattr(ino);
      case Op.open:
        return openFile(ino);
      case Op.read:
      case Op.write:
        return data(ino, opcode);
      case Op.release:
        return release(ino);
      case Op.opendir:
        reply.fill(0, 0, 16);
        return 16;
      case Op.readdir:
      case Op.flush:
      case Op.releasedir:
      case Op.destroy:
        return 0;
      case Op.forget:
      case Op.batchForget:
      case Op.interrupt:
        return NO_REPLY;
      default:
        return -ENOSYS;
    }
  }

  function init(): number {
    reply.fill(0, 0, 64);
    reply.writeUInt32LE(7, 0);
    reply.writeUInt32LE(41, 4);
    reply.writeUInt32LE(request.readUInt32LE(IN_HEADER + 8), 8);
    reply.writeUInt32LE(INIT_ASYNC_READ | INIT_BIG_WRITES | INIT_MAX_PAGES | INIT_EXT, 12);
    reply.writeUInt32LE(1 << 20, 20);
    reply.writeUInt32LE(1, 24);
    reply.writeUInt16LE(256, 28);
    reply.writeUInt32LE(INIT2_PASSTHROUGH, 32);
    reply.writeUInt32LE(1, 36);
    return 64;
  }

  function lookup(name: string): number {
    const ino = inodes.get(name);
    if (ino === undefined) return -ENOENT;
    reply.fill(0, 0, 40);
    reply.writeBigUInt64LE(BigInt(ino), 0);
    return 40 + attributes(40, ino);
  }

  /** Of `script-*` it is answered as an asynchronous handler does that needs not wait. */
  function getattr(ino: number): number {
    reply.fill(0, 0, 16);
    const length = 16 + attributes(16, ino);
    if (ino === 1 || !nameOf(ino).startsWith('script-')) return length;
    const unique = Number(request.readBigUInt64LE(8));
    const payload = Buffer.from(reply.subarray(0, length));
    void Promise.resolve().then(() => session.respond(unique, 0, payload));
    return PENDING;
  }

  /** fuse_attr at `at`; times of validity are left at zero so that nothing is cached. */
  function attributes(at: number, ino: number): number {
    reply.fill(0, at, at + 88);
    reply.writeBigUInt64LE(BigInt(ino), at);
    reply.writeBigUInt64LE(BigInt(ino === 1 ? 0 : sizeOf(nameOf(ino))), at + 8);
    reply.writeUInt32LE(ino === 1 ? 0o40755 : 0o100644, at + 60);
    reply.writeUInt32LE(1, at + 64);
    reply.writeUInt32LE(4096, at + 80);
    return 88;
  }

  function sizeOf(name: string): number {
    const fd = openSync(join(backing, name), 'r');
    try {
      return fstatSync(fd).size;
    } finally {
      closeSync(fd);
    }
  }

  function openFile(ino: number): number {
    const name = nameOf(ino);
    const file = open.get(ino) ?? openBacking(ino, name);
    file.handles++;
    reply.fill(0, 0, 16);
    if (name.startsWith('script-')) reply.writeUInt32LE(FOPEN_DIRECT_IO, 8);
    if (name.startsWith('passthrough-')) {
      reply.writeUInt32LE(FOPEN_PASSTHROUGH, 8);
      reply.writeInt32LE(file.backingId, 12);
    }
    return 16;
  }

  function openBacking(ino: number, name: string): OpenFile {
    const fd = native.openSync(join(backing, name), O_RDWR, 0);
    const file: OpenFile = { fd, backingId: 0, handles: 0 };
    const plan = plans.get(name);
    if (plan !== undefined) session.servePacked(ino, plan);
    if (name.startsWith('plain-')) session.servePlain(ino, fd);
    if (name.startsWith('passthrough-')) file.backingId = session.backingOpen(fd);
    open.set(ino, file);
    return file;
  }

  function data(ino: number, opcode: number): number {
    const file = open.get(ino);
    if (file === undefined) return -EBADF;
    const unique = Number(request.readBigUInt64LE(8));
    if (nameOf(ino).startsWith('late-')) {
      setTimeout(() => {
        session.servePlain(ino, file.fd);
        session.retry(unique);
      }, 5);
      return PENDING;
    }
    if (opcode === Op.write) return -EBADF;
    const offset = Number(request.readBigUInt64LE(IN_HEADER + 8));
    return readSync(file.fd, reply, 0, request.readUInt32LE(IN_HEADER + 16), offset);
  }

  function release(ino: number): number {
    const file = open.get(ino);
    if (file === undefined || --file.handles > 0) return 0;
    open.delete(ino);
    session.unserve(ino);
    if (file.backingId > 0) session.backingClose(file.backingId);
    native.close(file.fd);
    return 0;
  }

  session.start();
  return { session, seen, ended, damages, inodes };
}
