/** Callbacks of libfuse 2 on open files and their data. */
import { constants } from 'node:fs';
import { FileError } from '../errno.js';
import { SetattrValid } from '../protocol.js';
import { plain, setAttributes, type Callback, type Reply, type Served } from './callback.js';
import { wide, type Sealed } from './encoding.js';
import type { OpenHandle } from './handles.js';
import type { Source } from './served-data.js';

/** The binding gives a call's memory away and wants it back. */
const memory = (_handle: number, buffer: Buffer) => [0, buffer.buffer];

export const FILE_CALLBACKS: Readonly<Record<string, Callback>> = {
  open: { run: open, beside: () => [0] },
  create: { run: create, beside: () => [0] },
  read: { run: read, beside: memory },
  write: { run: write, beside: memory },
  release: plain(release),
  fsync: plain(fsync),
  truncate: plain(truncate),
  ftruncate: plain(ftruncate),
};

async function open(served: Served, call: Sealed, flags: number): Promise<Reply> {
  const { operations, paths, handles } = served;
  const ino = await paths.inoOf(call.caller, call.path);
  const { handle } = await operations.open(call.caller, ino, flags, 0);
  return [0, handles.add({ ino, handle, sync: syncOf(flags) })];
}

/** The flags are the first word. */
async function create(served: Served, call: Sealed, mode: number): Promise<Reply> {
  const { operations, paths, handles } = served;
  const [flags] = call.words;
  const { parent, name } = await paths.placeOf(call.caller, call.path);
  const made = await operations.create(call.caller, parent, name, flags, mode);
  const { ino } = made.attributes;
  return [0, handles.add({ ino, handle: made.opened.handle, sync: syncOf(flags) })];
}

/** O_SYNC contains the bit of O_DSYNC. */
function syncOf(flags: number): OpenHandle['sync'] {
  if ((flags & constants.O_SYNC) === constants.O_SYNC) return 'all';
  return (flags & constants.O_DSYNC) !== 0 ? 'data' : 'none';
}

async function release({ operations, handles }: Served, _call: Sealed, at: number): Promise<void> {
  const { ino, handle } = handles.remove(at);
  await operations.release(ino, handle, 0);
}

async function read(
  served: Served,
  _call: Sealed,
  at: number,
  buffer: Buffer,
  length: number,
  ...offset: number[]
): Promise<Reply> {
  const source = await sourceOf(served, served.handles.get(at).ino);
  const data = await source.read(wide(offset[0], offset[1]), length);
  data.copy(buffer);
  return [data.length, data.length, buffer.buffer];
}

async function write(
  served: Served,
  _call: Sealed,
  at: number,
  buffer: Buffer,
  _length: number,
  ...offset: number[]
): Promise<Reply> {
  const { ino, sync } = served.handles.get(at);
  const source = await sourceOf(served, ino);
  const written = await source.write(wide(offset[0], offset[1]), buffer);
  if (sync !== 'none') await source.sync(sync === 'data');
  return [written, written, buffer.buffer];
}

async function sourceOf({ operations, data }: Served, ino: number): Promise<Source> {
  const serving = data.sourceOf(ino);
  if (serving !== undefined) return serving;
  await operations.resume(ino);
  const resumed = data.sourceOf(ino);
  if (resumed === undefined) throw new FileError('EIO', `inode ${ino} is not served`);
  return resumed;
}

async function fsync(
  { operations, handles }: Served,
  { caller }: Sealed,
  dataOnly: number,
  at: number,
): Promise<void> {
  await operations.fsync(caller, handles.get(at).ino, dataOnly !== 0);
}

async function truncate(served: Served, call: Sealed, low: number, high: number): Promise<void> {
  const ino = await served.paths.inoOf(call.caller, call.path);
  await setAttributes(served, call, { ino, valid: SetattrValid.SIZE, size: wide(low, high) });
}

/** Carries fallocate too: its mode, offset and length come as words. */
async function ftruncate(
  served: Served,
  call: Sealed,
  at: number,
  low: number,
  high: number,
): Promise<void> {
  const { ino } = served.handles.get(at);
  if (call.words.length > 0) {
    const [, mode, offset, length] = call.words;
    await served.operations.fallocate(call.caller, ino, mode, offset, length);
  } else {
    await setAttributes(served, call, { ino, valid: SetattrValid.SIZE, size: wide(low, high) });
  }
}
