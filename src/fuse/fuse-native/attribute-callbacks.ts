/** Callbacks of libfuse 2 on attributes, plain and extended, and on the filesystem as a whole. */
import { FileError } from '../errno.js';
import type { Attributes } from '../operations.js';
import { Opcode, SetattrValid } from '../protocol.js';
import { plain, setAttributes, type Callback, type Reply, type Served } from './callback.js';
import {
  encodeAttributes,
  encodeStatistics,
  NO_ATTRIBUTES,
  NO_STATISTICS,
  type Sealed,
} from './encoding.js';
import { ROOT_INO } from './paths.js';

/** utimensat(2): the current time, or leave it. */
const UTIME_NOW = 2 ** 30 - 1;
const UTIME_OMIT = 2 ** 30 - 2;
/** What chown gives for an owner that stays. */
const UNCHANGED = 2 ** 32 - 1;

export const ATTRIBUTE_CALLBACKS: Readonly<Record<string, Callback>> = {
  getattr: { run: getattr, beside: () => [NO_ATTRIBUTES] },
  fgetattr: { run: fgetattr, beside: () => [NO_ATTRIBUTES] },
  statfs: { run: statfs, beside: () => [NO_STATISTICS] },
  chmod: plain(chmod),
  chown: plain(chown),
  utimens: plain(utimens),
  setxattr: { run: setxattr, beside: (_name: string, value: Buffer) => [value.buffer] },
  getxattr: { run: getxattr, beside: (_name: string, value: Buffer) => [value.buffer] },
  listxattr: { run: listxattr, beside: (list: Buffer) => [list.buffer] },
  removexattr: plain(removexattr),
};

async function getattr(served: Served, call: Sealed): Promise<Reply> {
  return reply(served, call, await attributesOf(served, call));
}

async function attributesOf({ operations, paths }: Served, call: Sealed): Promise<Attributes> {
  const { caller, path } = call;
  if (path === '/') return operations.getattr(caller, ROOT_INO);
  if (paths.isHidden(path)) return operations.getattr(caller, await paths.inoOf(caller, path));
  return paths.existing(caller, await paths.placeOf(caller, path));
}

async function fgetattr(served: Served, call: Sealed, at: number): Promise<Reply> {
  const { ino } = served.handles.get(at);
  return reply(served, call, await served.operations.getattr(call.caller, ino));
}

/** libfuse counts the hidden name of a file as a link, and takes it off where the kernel asks. */
function reply({ paths }: Served, { opcode, path }: Sealed, attributes: Attributes): Reply {
  const hidden = opcode === Opcode.GETATTR && paths.isHidden(path);
  const nlink = attributes.nlink + (hidden ? 1 : 0);
  return [0, encodeAttributes({ ...attributes, nlink })];
}

async function statfs({ operations }: Served, { caller }: Sealed): Promise<Reply> {
  return [0, encodeStatistics(await operations.statfs(caller))];
}

async function chmod(served: Served, call: Sealed, mode: number): Promise<void> {
  const ino = await served.paths.inoOf(call.caller, call.path);
  await setAttributes(served, call, { ino, valid: SetattrValid.MODE, mode });
}

async function chown(served: Served, call: Sealed, uid: number, gid: number): Promise<void> {
  const ino = await served.paths.inoOf(call.caller, call.path);
  const valid =
    (uid === UNCHANGED ? 0 : SetattrValid.UID) | (gid === UNCHANGED ? 0 : SetattrValid.GID);
  await setAttributes(served, call, { ino, valid, uid, gid });
}

/** The times are words: what the binding gives is neither exact nor right. */
async function utimens(served: Served, call: Sealed): Promise<void> {
  const ino = await served.paths.inoOf(call.caller, call.path);
  const [atimeSec, atimeNsec, mtimeSec, mtimeNsec] = call.words;
  const valid =
    timeBits(atimeNsec, SetattrValid.ATIME, SetattrValid.ATIME_NOW) |
    timeBits(mtimeNsec, SetattrValid.MTIME, SetattrValid.MTIME_NOW);
  await setAttributes(served, call, { ino, valid, atimeSec, atimeNsec, mtimeSec, mtimeNsec });
}

function timeBits(nsec: number, given: number, current: number): number {
  if (nsec === UTIME_OMIT) return 0;
  return nsec === UTIME_NOW ? current : given;
}

/** The binding's memory ends with the call. */
async function setxattr(
  { operations, paths }: Served,
  { caller, path }: Sealed,
  name: string,
  value: Buffer,
  _position: number,
  flags: number,
): Promise<Reply> {
  const ino = await paths.inoOf(caller, path);
  await operations.setxattr(caller, ino, name, Buffer.from(value), flags);
  return [0, value.buffer];
}

async function getxattr(
  { operations, paths }: Served,
  { caller, path }: Sealed,
  name: string,
  room: Buffer,
): Promise<Reply> {
  const ino = await paths.inoOf(caller, path);
  return fill(room, await operations.getxattr(caller, ino, name));
}

async function listxattr(
  { operations, paths }: Served,
  { caller, path }: Sealed,
  room: Buffer,
): Promise<Reply> {
  const names = await operations.listxattr(caller, await paths.inoOf(caller, path));
  return fill(room, Buffer.from(names.map((name) => name + '\0').join(''), 'latin1'));
}

/** Without room only the length is asked for. @throws ERANGE */
function fill(room: Buffer, value: Buffer): Reply {
  if (room.length > 0 && value.length > room.length) throw new FileError('ERANGE');
  value.copy(room);
  return [value.length, room.buffer];
}

async function removexattr(
  { operations, paths }: Served,
  { caller, path }: Sealed,
  name: string,
): Promise<void> {
  await operations.removexattr(caller, await paths.inoOf(caller, path), name);
}
