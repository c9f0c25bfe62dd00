/** readdir and readdirplus. */
import type { EntrySink, ReaddirRequest } from '../fuse/operations.js';
import type { Entry } from '../namespace/types.js';
import { touchAccessed } from './access-times.js';
import { attributesOf, inodeOf } from './attributes.js';
import type { Context } from './context.js';
import { S_IFDIR } from './modes.js';

const DIRECTORY_TYPE = S_IFDIR >> 12;
/** Offsets below this belong to `.` (1) and `..` (2); those of entries are larger. */
const FIRST_ENTRY_OFFSET = 16;
/** More than any entry takes with its attributes. */
const ENTRY_BYTES = 512;

export function readdir(ctx: Context, request: ReaddirRequest, sink: EntrySink): void {
  const directory = inodeOf(ctx, request.ino);
  const offset = smallOffset(request.cookie);
  if (offset === 0) touchAccessed(ctx, directory);
  if (offset < 1 && !sink.add('.', directory.ino, DIRECTORY_TYPE, dotCookie(1), null)) return;
  const parent = directory.parent || directory.ino;
  if (offset < 2 && !sink.add('..', parent, DIRECTORY_TYPE, dotCookie(2), null)) return;
  const after = offset < FIRST_ENTRY_OFFSET ? undefined : request.cookie;
  for (const group of groupsByCookie(ctx.namespace.list(request.ino, after))) {
    if (!addGroup(ctx, group, request.plus, sink)) return;
  }
}

function smallOffset(cookie: Buffer): number {
  return cookie.readUInt32BE(0) === 0 ? cookie.readUInt32BE(4) : Infinity;
}

function dotCookie(offset: number): Buffer {
  const cookie = Buffer.alloc(8);
  cookie.writeUInt32BE(offset, 4);
  return cookie;
}

/** Names whose hashes collide share an offset: they are returned together or not at all. */
function* groupsByCookie(entries: Iterable<Entry>): Iterable<Entry[]> {
  let group: Entry[] = [];
  for (const entry of entries) {
    if (group.length > 0 && !group[0].cookie.equals(entry.cookie)) {
      yield group;
      group = [];
    }
    group.push(entry);
  }
  if (group.length > 0) yield group;
}

function addGroup(ctx: Context, group: Entry[], plus: boolean, sink: EntrySink): boolean {
  if (group.length > 1 && sink.room < group.length * ENTRY_BYTES) return false;
  for (const { name, ino, type, cookie } of group) {
    const inode = plus ? ctx.namespace.peek(ino) : undefined;
    const attributes = inode === undefined ? null : attributesOf(ctx, inode);
    if (!sink.add(name, ino, type, cookie, attributes)) return false;
  }
  return true;
}
