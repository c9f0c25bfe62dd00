/** Callbacks of libfuse 2 on names and directories. */
import type { EntrySink } from '../operations.js';
import { Opcode } from '../protocol.js';
import { plain, type Callback, type Reply, type Served } from './callback.js';
import { encodeEntry, type Sealed } from './encoding.js';

/** libfuse renames by itself: the first word of a rename, see native/libfuse2/operations.cc. */
const HIDING = 1;

export const NAME_CALLBACKS: Readonly<Record<string, Callback>> = {
  readlink: { run: readlink, beside: () => [''] },
  readdir: { run: readdir, beside: () => [[], []] },
  symlink: plain(symlink),
  mknod: plain(mknod),
  mkdir: plain(mkdir),
  unlink: plain(unlink),
  rmdir: plain(rmdir),
  rename: plain(rename),
  link: plain(link),
  fsyncdir: plain(fsyncdir),
};

async function readlink({ operations, paths }: Served, { caller, path }: Sealed): Promise<Reply> {
  return [0, await operations.readlink(caller, await paths.inoOf(caller, path))];
}

async function symlink(served: Served, target: Sealed, path: string): Promise<void> {
  const { caller } = target;
  const { parent, name } = await served.paths.placeOf(caller, path);
  await served.operations.symlink(caller, parent, name, target.path);
}

async function mknod(
  { operations, paths }: Served,
  { caller, path }: Sealed,
  mode: number,
  device: number,
): Promise<void> {
  const { parent, name } = await paths.placeOf(caller, path);
  await operations.mknod(caller, parent, name, mode, device);
}

async function mkdir({ operations, paths }: Served, call: Sealed, mode: number): Promise<void> {
  const { parent, name } = await paths.placeOf(call.caller, call.path);
  await operations.mkdir(call.caller, parent, name, mode);
}

/**
 * The kernel's FORGET does not get through libfuse. Without a name nothing but a handle leads to an inode
 * here, so the filesystem may let go of it when it is closed, or at once.
 */
async function unlink({ operations, paths }: Served, { caller, path }: Sealed): Promise<void> {
  if (paths.dropHidden(path)) return;
  const place = await paths.placeOf(caller, path);
  const { ino } = await paths.existing(caller, place);
  await operations.unlink(caller, place.parent, place.name);
  operations.forget(ino);
}

async function rmdir({ operations, paths }: Served, { caller, path }: Sealed): Promise<void> {
  const place = await paths.placeOf(caller, path);
  const { ino } = await paths.existing(caller, place);
  await operations.rmdir(caller, place.parent, place.name);
  paths.forgetDirectories();
  operations.forget(ino);
}

async function rename(served: Served, from: Sealed, to: string): Promise<void> {
  if (from.words[0] === HIDING) return hide(served, from, to);
  const { operations, paths } = served;
  const { caller } = from;
  const source = await paths.placeOf(caller, from.path);
  const target = await paths.placeOf(caller, to);
  const replaced = await operations.lookup(caller, target.parent, target.name);
  await operations.rename(caller, source.parent, source.name, target.parent, target.name, 0);
  paths.forgetDirectories();
  if (replaced.ino !== 0) operations.forget(replaced.ino);
}

/**
 * A file that is open loses its name: by an unlink, which happens here, or because another one takes its
 * place, which the rename that follows does.
 */
async function hide({ operations, paths }: Served, from: Sealed, to: string): Promise<void> {
  const { caller } = from;
  const place = await paths.placeOf(caller, from.path);
  const { ino } = await paths.existing(caller, place);
  if (from.opcode === Opcode.UNLINK) {
    await operations.unlink(caller, place.parent, place.name);
    operations.forget(ino);
  }
  paths.hide(to, ino);
}

async function link({ operations, paths }: Served, from: Sealed, to: string): Promise<void> {
  const ino = await paths.inoOf(from.caller, from.path);
  const { parent, name } = await paths.placeOf(from.caller, to);
  await operations.link(from.caller, ino, parent, name);
}

async function fsyncdir({ operations, paths }: Served, { caller, path }: Sealed): Promise<void> {
  await operations.fsyncdir(caller, path === '' ? 0 : await paths.inoOf(caller, path));
}

/** All entries at once: libfuse keeps them for as long as the directory is open. */
async function readdir({ operations, paths }: Served, { caller, path }: Sealed): Promise<Reply> {
  const names: string[] = [];
  const stats: Uint32Array[] = [];
  const sink: EntrySink = {
    room: Infinity,
    add: (name, ino, type) => {
      names.push(name);
      stats.push(encodeEntry(ino, type));
      return true;
    },
  };
  // Without a path the directory was removed while it was open.
  if (path !== '') {
    const ino = await paths.inoOf(caller, path);
    operations.readdir(caller, { ino, cookie: Buffer.alloc(8), plus: false }, sink);
  }
  return [0, names, stats];
}
