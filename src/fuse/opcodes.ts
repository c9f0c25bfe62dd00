/**
 * The opcode table: for each kernel operation its name, how its arguments are decoded, which method
 * answers, and how the result is encoded. Offsets are those of the fuse_*_in structures.
 */
import { FSYNC_DATA_ONLY, MAX_REQUEST_BYTES, Opcode, SETXATTR_ACL_KILL_SGID } from './protocol.js';
import type { Caller, Opened, Operations, Result } from './operations.js';
import {
  DirectoryWriter,
  writeAttributesReply,
  writeEntry,
  writeOpened,
  writeStatistics,
  writeStatx,
} from './replies.js';
import { FileError } from './errno.js';
import type { ReplyWriter, RequestView } from './wire.js';

/** Encodes a result into a reply. */
type Encoder<T> = (out: ReplyWriter, value: T) => void;

export interface OpcodeEntry {
  name: string;
  /** Answers at once or later; `out` may be written to before the first await only. */
  run: (
    operations: Operations,
    caller: Caller,
    request: RequestView,
    out: ReplyWriter,
  ) => Result<unknown>;
  encode: Encoder<never>;
  /** The kernel waits for no answer. */
  silent?: boolean;
  /**
   * Takes back what the program would have got, where nobody hears the answer any more. Only with it a killed program is
   * let go early: of an operation that changes names the kernel would go on to know what was before.
   */
  undo?: (operations: Operations, nodeid: number, value: never) => unknown;
}

function entry<T>(
  name: string,
  run: (
    operations: Operations,
    caller: Caller,
    request: RequestView,
    out: ReplyWriter,
  ) => Result<T>,
  encode: Encoder<T>,
): OpcodeEntry {
  return { name, run, encode: encode as Encoder<never> };
}

const nothing: Encoder<unknown> = () => undefined;

const writeCreated: Encoder<{
  attributes: Parameters<typeof writeEntry>[1];
  opened: Parameters<typeof writeOpened>[1];
}> = (out, value) => {
  writeEntry(out, value.attributes);
  writeOpened(out, value.opened);
};

/** fuse_getxattr_out, or the bytes where the program's buffer takes them. */
function writeSized(out: ReplyWriter, value: { data: Buffer; room: number }): void {
  if (value.room === 0) {
    out.u32(value.data.length);
    out.u32(0);
    return;
  }
  if (value.data.length > value.room) throw new FileError('ERANGE');
  out.raw(value.data);
}

function readdir(plus: boolean) {
  return (ops: Operations, caller: Caller, request: RequestView, out: ReplyWriter): void => {
    const cookie = Buffer.alloc(8);
    cookie.writeUInt32BE(request.u32(12), 0);
    cookie.writeUInt32BE(request.u32(8), 4);
    const limit = Math.min(request.u32(16), MAX_REQUEST_BYTES);
    const sink = new DirectoryWriter(out, limit, plus);
    ops.readdir(caller, { ino: request.nodeid, cookie, plus }, sink);
  };
}

function rename(request: RequestView, ops: Operations, caller: Caller, flags: number, at: number) {
  const name = request.name(at);
  const newName = request.name(at + name.length + 1);
  return ops.rename(caller, request.nodeid, name, request.u64(0), newName, flags);
}

async function sized(data: Result<Buffer>, room: number): Promise<{ data: Buffer; room: number }> {
  return { data: await data, room };
}

function atOnceOrLater(data: Result<Buffer>, room: number) {
  return data instanceof Promise ? sized(data, room) : { data, room };
}

/** The caller is this request's own. */
function masked(caller: Caller, umask: number): Caller {
  caller.umask = umask;
  return caller;
}

function listNames(names: string[]): Buffer {
  return Buffer.from(names.map((name) => name + '\0').join(''), 'latin1');
}

export const OPCODES: readonly (OpcodeEntry | undefined)[] = buildTable();

function buildTable(): (OpcodeEntry | undefined)[] {
  const table: (OpcodeEntry | undefined)[] = [];
  table[Opcode.LOOKUP] = entry(
    'lookup',
    (ops, caller, r) => ops.lookup(caller, r.nodeid, r.name(0)),
    writeEntry,
  );
  table[Opcode.FORGET] = {
    ...entry('forget', (ops, _caller, r) => ops.forget(r.nodeid), nothing),
    silent: true,
  };
  table[Opcode.BATCH_FORGET] = { ...entry('batch_forget', batchForget, nothing), silent: true };
  table[Opcode.GETATTR] = entry(
    'getattr',
    (ops, caller, r) => ops.getattr(caller, r.nodeid),
    writeAttributesReply,
  );
  table[Opcode.STATX] = entry(
    'statx',
    (ops, caller, r) => ops.getattr(caller, r.nodeid),
    writeStatx,
  );
  table[Opcode.SETATTR] = entry(
    'setattr',
    (ops, caller, r) =>
      ops.setattr(caller, {
        ino: r.nodeid,
        valid: r.u32(0),
        size: r.u64(16),
        atimeSec: r.i64(32),
        mtimeSec: r.i64(40),
        atimeNsec: r.u32(56),
        mtimeNsec: r.u32(60),
        mode: r.u32(68),
        uid: r.u32(76),
        gid: r.u32(80),
      }),
    writeAttributesReply,
  );
  addNameOperations(table);
  addFileOperations(table);
  addXattrOperations(table);
  table[Opcode.STATFS] = entry('statfs', (ops, caller) => ops.statfs(caller), writeStatistics);
  table[Opcode.SYNCFS] = entry('syncfs', (ops, caller) => ops.syncfs(caller), nothing);
  table[Opcode.READDIR] = entry('readdir', readdir(false), nothing);
  table[Opcode.READDIRPLUS] = entry('readdirplus', readdir(true), nothing);
  table[Opcode.FSYNCDIR] = entry(
    'fsyncdir',
    (ops, caller, r) => ops.fsyncdir(caller, r.nodeid),
    nothing,
  );
  return table;
}

function batchForget(ops: Operations, _caller: Caller, r: RequestView): void {
  const count = r.u32(0);
  for (let i = 0; i < count; i++) ops.forget(r.u64(8 + i * 16));
}

function addNameOperations(table: (OpcodeEntry | undefined)[]): void {
  table[Opcode.READLINK] = entry(
    'readlink',
    (ops, caller, r) => ops.readlink(caller, r.nodeid),
    (out, target: string) => out.latin1(target),
  );
  table[Opcode.SYMLINK] = entry(
    'symlink',
    (ops, caller, r) => {
      const name = r.name(0);
      return ops.symlink(caller, r.nodeid, name, r.name(name.length + 1));
    },
    writeEntry,
  );
  table[Opcode.MKNOD] = entry(
    'mknod',
    (ops, caller, r) =>
      ops.mknod(masked(caller, r.u32(8)), r.nodeid, r.name(16), r.u32(0), r.u32(4)),
    writeEntry,
  );
  table[Opcode.MKDIR] = entry(
    'mkdir',
    (ops, caller, r) => ops.mkdir(masked(caller, r.u32(4)), r.nodeid, r.name(8), r.u32(0)),
    writeEntry,
  );
  table[Opcode.UNLINK] = entry(
    'unlink',
    (ops, caller, r) => ops.unlink(caller, r.nodeid, r.name(0)),
    nothing,
  );
  table[Opcode.RMDIR] = entry(
    'rmdir',
    (ops, caller, r) => ops.rmdir(caller, r.nodeid, r.name(0)),
    nothing,
  );
  table[Opcode.RENAME] = entry('rename', (ops, caller, r) => rename(r, ops, caller, 0, 8), nothing);
  table[Opcode.RENAME2] = entry(
    'rename2',
    (ops, caller, r) => rename(r, ops, caller, r.u32(8), 16),
    nothing,
  );
  table[Opcode.LINK] = entry(
    'link',
    (ops, caller, r) => ops.link(caller, r.u64(0), r.nodeid, r.name(8)),
    writeEntry,
  );
}

function addFileOperations(table: (OpcodeEntry | undefined)[]): void {
  table[Opcode.OPEN] = {
    ...entry(
      'open',
      (ops, caller, r) => ops.open(caller, r.nodeid, r.u32(0), r.u32(4)),
      writeOpened,
    ),
    undo: (ops, nodeid, { handle }: Opened) => ops.release(nodeid, handle, 0),
  };
  table[Opcode.CREATE] = entry(
    'create',
    (ops, caller, r) =>
      ops.create(masked(caller, r.u32(8)), r.nodeid, r.name(16), r.u32(0), r.u32(4)),
    writeCreated,
  );
  table[Opcode.TMPFILE] = entry(
    'tmpfile',
    (ops, caller, r) => ops.tmpfile(masked(caller, r.u32(8)), r.nodeid, r.u32(0), r.u32(4)),
    writeCreated,
  );
  table[Opcode.RELEASE] = entry(
    'release',
    (ops, _caller, r) => ops.release(r.nodeid, r.u64(0), r.u32(8)),
    nothing,
  );
  table[Opcode.FSYNC] = entry(
    'fsync',
    (ops, caller, r) => ops.fsync(caller, r.nodeid, (r.u32(8) & FSYNC_DATA_ONLY) !== 0),
    nothing,
  );
  table[Opcode.FALLOCATE] = entry(
    'fallocate',
    (ops, caller, r) => ops.fallocate(caller, r.nodeid, r.u32(24), r.u64(8), r.u64(16)),
    nothing,
  );
  table[Opcode.LSEEK] = entry(
    'lseek',
    (ops, caller, r) => ops.lseek(caller, r.nodeid, r.u64(8), r.u32(16)),
    (out, offset: number) => out.u64(offset),
  );
  table[Opcode.COPY_FILE_RANGE] = entry(
    'copy_file_range',
    (ops, caller, r) =>
      ops.copyFileRange(caller, r.nodeid, r.u64(8), r.u64(16), r.u64(32), r.u64(40)),
    (out, copied: number) => {
      out.u32(copied);
      out.u32(0);
    },
  );
}

function addXattrOperations(table: (OpcodeEntry | undefined)[]): void {
  // fuse_setxattr_in has 16 bytes since SETXATTR_EXT was negotiated.
  table[Opcode.SETXATTR] = entry(
    'setxattr',
    (ops, caller, r) => {
      const name = r.name(16);
      const value = r.data(16 + name.length + 1, r.u32(0));
      const killSetGid = (r.u32(8) & SETXATTR_ACL_KILL_SGID) !== 0;
      return ops.setxattr(caller, r.nodeid, name, value, r.u32(4), killSetGid);
    },
    nothing,
  );
  table[Opcode.GETXATTR] = entry(
    'getxattr',
    (ops, caller, r) => atOnceOrLater(ops.getxattr(caller, r.nodeid, r.name(8)), r.u32(0)),
    writeSized,
  );
  table[Opcode.LISTXATTR] = entry(
    'listxattr',
    (ops, caller, r) => {
      const names = ops.listxattr(caller, r.nodeid);
      const data = names instanceof Promise ? names.then(listNames) : listNames(names);
      return atOnceOrLater(data, r.u32(0));
    },
    writeSized,
  );
  table[Opcode.REMOVEXATTR] = entry(
    'removexattr',
    (ops, caller, r) => ops.removexattr(caller, r.nodeid, r.name(0)),
    nothing,
  );
}
