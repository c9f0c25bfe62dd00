/**
 * The filesystem: POSIX semantics over namespace, tiers and content. This file only puts the families of
 * operations together; each has a file of its own.
 */
import { DETACHED, type DataServer } from '../fuse/data-server.js';
import type { Operations } from '../fuse/operations.js';
import type { FileActivity, Migration } from '../migration/types.js';
import { native } from '../native.js';
import { isAcl } from './acl.js';
import { type AddedFile, addPacked, showAdded } from './adding.js';
import { attributesOf, inodeOf, recordLastUse } from './attributes.js';
import type { Context, FilesystemDependencies } from './context.js';
import { readdir } from './directories.js';
import { link, lookup, mkdir, mknod, readlink, rmdir, symlink, unlink } from './entries.js';
import { copyFileRange, fallocate, fsync, lseek, resume } from './file-io.js';
import { Heating } from './heating.js';
import { OpenFiles } from './open-files.js';
import { create, open, tmpfile } from './opening.js';
import { Orphans } from './orphans.js';
import { Placing } from './placing.js';
import { recover } from './recovery.js';
import { releaseHandle } from './releasing.js';
import { rename } from './rename.js';
import { setattr } from './setattr.js';
import { Settling } from './settling.js';
import { Spares } from './spares.js';
import { statfs } from './statistics.js';
import { changed, created, opened } from './synchronous.js';
import { getxattr, listxattr, removexattr, setxattr, setxattrAcl } from './xattrs.js';

export interface Filesystem {
  readonly operations: Operations;
  /** What migration asks and tells about open files. */
  readonly activity: FileActivity;
  /** Number of open handles. */
  openHandles(): number;
  /** Before `recover` and before serving. */
  setMigration(migration: Migration): void;
  /** Releases what an earlier daemon left behind; `clean` where it ended in order. Before serving. */
  recover(clean: boolean): Promise<void>;
  attach(server: DataServer): void;
  /** As `addPacked` in `adding.ts`. */
  addPacked(file: AddedFile): boolean;
  /** As in `adding.ts`. */
  showAdded(directories: Iterable<number>): Promise<void>;
  /** Gives back the bytes of deleted files that nothing holds any more. */
  releaseDeleted(): Promise<void>;
  /** The handshake told whether the kernel has passthrough. */
  setPassthrough(passthrough: boolean): void;
  readonly passthrough: boolean;
  /** After the mount ended: settles, releases, closes descriptors. Nothing is open any more. */
  close(): Promise<void>;
}

export function createFilesystem(dependencies: FilesystemDependencies): Filesystem {
  const ctx = { ...dependencies, passthrough: false } as Context;
  ctx.files = new OpenFiles((file) => recordLastUse(ctx, file));
  ctx.settling = new Settling(ctx);
  ctx.orphans = new Orphans(ctx);
  ctx.placing = new Placing(ctx);
  ctx.heating = new Heating(ctx);
  ctx.spares = new Spares(ctx);
  ctx.server = DETACHED;
  return {
    operations: operationsOf(ctx),
    activity: activityOf(ctx),
    openHandles: () => ctx.files.handleCount(),
    setMigration: (migration) => (ctx.migration = migration),
    recover: (clean) => recoverWhereRoom(ctx, clean),
    attach: (server) => {
      ctx.server = server;
      ctx.files.attach(server);
    },
    addPacked: (file) => addPacked(ctx, file),
    showAdded: (directories) => showAdded(ctx, directories),
    releaseDeleted: () => ctx.orphans.flush(),
    setPassthrough: (passthrough) => (ctx.passthrough = passthrough),
    get passthrough() {
      return ctx.passthrough;
    },
    close: async () => {
      for (const ino of ctx.files.inodes()) ctx.settling.schedule(ino);
      ctx.server = DETACHED;
      ctx.files.close();
      ctx.heating.close();
      await ctx.spares.close();
      await ctx.settling.close();
      await ctx.orphans.close();
    },
  };
}

/** A full disk keeps nobody from mounting a volume: what was recovered becomes durable when there is room. */
async function recoverWhereRoom(ctx: Context, clean: boolean): Promise<void> {
  try {
    await recover(ctx, clean);
  } catch (error) {
    // Its commit comes last.
    if (error !== ctx.namespace.failed) throw error;
  }
}

function operationsOf(ctx: Context): Operations {
  return {
    lookup: (_caller, parent, name) => lookup(ctx, parent, name),
    forget: (ino) => ctx.orphans.forget(ino),
    getattr: (_caller, ino) => attributesOf(ctx, inodeOf(ctx, ino)),
    setattr: (caller, request) => changed(ctx, setattr(ctx, caller, request)),
    readlink: (_caller, ino) => readlink(ctx, ino),
    symlink: (caller, parent, name, target) =>
      changed(ctx, symlink(ctx, caller, parent, name, target)),
    mknod: (caller, parent, name, mode, rdev) =>
      changed(ctx, mknod(ctx, caller, parent, name, mode, rdev)),
    mkdir: (caller, parent, name, mode) => changed(ctx, mkdir(ctx, caller, parent, name, mode)),
    unlink: (_caller, parent, name) => changed(ctx, unlink(ctx, parent, name)),
    rmdir: (_caller, parent, name) => changed(ctx, rmdir(ctx, parent, name)),
    rename: (caller, parent, name, newParent, newName, flags) =>
      changed(
        ctx,
        rename(ctx, caller, { parent, name }, { parent: newParent, name: newName }, flags),
      ),
    link: (_caller, ino, newParent, newName) => changed(ctx, link(ctx, ino, newParent, newName)),
    open: (caller, ino, flags, openFlags) =>
      opened(ctx, ino, flags, open(ctx, caller, ino, flags, openFlags)),
    create: (caller, parent, name, flags, mode) =>
      created(ctx, flags, create(ctx, caller, parent, name, flags, mode)),
    tmpfile: (caller, parent, flags, mode) =>
      created(ctx, flags, tmpfile(ctx, caller, parent, flags, mode)),
    resume: (ino) => resume(ctx, ino),
    release: (ino, handle) => releaseHandle(ctx, ino, handle),
    statfs: () => statfs(ctx),
    fsync: (_caller, ino, dataOnly) => fsync(ctx, ino, dataOnly),
    fsyncdir: () => ctx.namespace.commit(),
    syncfs: () => syncAll(ctx),
    setxattr: (_caller, ino, name, value, flags, killSetGid) =>
      changed(
        ctx,
        isAcl(name)
          ? setxattrAcl(ctx, ino, name, value, killSetGid === true)
          : setxattr(ctx, ino, name, value, flags),
      ),
    getxattr: (_caller, ino, name) => getxattr(ctx, ino, name),
    listxattr: (caller, ino) => listxattr(ctx, caller, ino),
    removexattr: (_caller, ino, name) => changed(ctx, removexattr(ctx, ino, name)),
    readdir: (_caller, request, sink) => readdir(ctx, request, sink),
    fallocate: (_caller, ino, mode, offset, length) => fallocate(ctx, ino, mode, offset, length),
    lseek: (_caller, ino, offset, whence) => lseek(ctx, ino, offset, whence),
    copyFileRange: (_caller, source, sourceOffset, target, targetOffset, length) =>
      copyFileRange(ctx, source, sourceOffset, target, targetOffset, length),
  };
}

async function syncAll(ctx: Context): Promise<void> {
  for (const tier of ctx.tiers.tiers) {
    if (tier.state !== 'missing') await native.syncFilesystem(tier.path);
  }
  await ctx.namespace.commit();
}

function activityOf(ctx: Context): FileActivity {
  return {
    handles: (ino) => handlesOf(ctx, ino),
    isUsed: (ino, fd) => {
      if (handlesOf(ctx, ino).total > 0) return true;
      // The descriptor that is kept of an idle file would count as another program's: it goes.
      ctx.files.forgetIdle(ino);
      return native.hasOthers(fd);
    },
    changeCount: (ino) => ctx.files.changeCount(ino),
    whenIdle: (ino, callback) => {
      const file = ctx.files.peek(ino);
      if (file !== undefined) file.whenIdle.push(callback);
      else if (ctx.files.heldByMapping(ino)) setTimeout(callback, MAPPED_AGAIN_MS);
      else callback();
    },
    moved: (ino, what) => {
      ctx.files.forgetIdle(ino);
      ctx.server.invalidateInode(ino, what === 'data' ? 0 : -1, 0);
    },
    settle: (inos) => ctx.settling.settle(inos),
  };
}

/** Nobody tells when a mapping ends. */
const MAPPED_AGAIN_MS = 250;

/** A mapping that outlived its handle counts as one. */
function handlesOf(ctx: Context, ino: number): { total: number; writers: number } {
  const file = ctx.files.peek(ino);
  if (file === undefined) {
    const mapped = ctx.files.heldByMapping(ino) ? 1 : 0;
    return { total: mapped, writers: mapped };
  }
  const hidden = file.writers === 0 && ctx.files.writtenByMapping(ino) ? 1 : 0;
  return { total: file.readers + file.writers, writers: file.writers + hidden };
}
