/**
 * Directory entries: one bucket per directory and name hash, nearly always with one entry in it.
 * Layout of a bucket: README.md here.
 */
import type { Table } from '../store/types.js';
import { nextCookie, type NameHash } from './cookie.js';
import { namespaceError } from './errors.js';
import { NUMBER_BYTES, numberAndBytes, numberKey, readNumber, writeNumber } from './keys.js';
import type { Entry, Name } from './types.js';

export interface Entries {
  lookup(dir: number, name: Name): Entry | undefined;
  insert(dir: number, name: Name, ino: number, type: number): void;
  remove(dir: number, name: Name): void;
  isEmpty(dir: number): boolean;
  list(dir: number, cookie?: Buffer): Iterable<Entry>;
}

const BUCKET_VERSION = 1;
/** Names of one directory that share a hash. A reader gets all of them or none at a time. */
const MAX_BUCKET = 16;
const MAX_NAME_BYTES = 255;
/** Bytes of an entry before its name: type, length of the name, inode number. */
const ENTRY_HEADER = 2 + NUMBER_BYTES;

interface Member {
  name: Name;
  ino: number;
  type: number;
}

/** A bucket as it was read or written last. */
interface RecentBucket {
  dir: number;
  /** The very object that the hash gave: it remembers names, so that equal ones are mostly the same. */
  cookie: Buffer;
  key: Buffer;
  members: Member[];
}

/** A power of two. A name is looked up, then changed: mostly soon. */
const RECENT = 64;

export function createEntries(table: Table, hash: NameHash): Entries {
  const recent = new Array<RecentBucket | undefined>(RECENT).fill(undefined);

  /** Buckets of one cookie share a place, so that a change of one leaves no other picture of it. */
  const bucketOf = (dir: number, name: Name): RecentBucket => {
    const cookie = hash(name);
    const place = cookie[cookie.length - 1]! % RECENT;
    const kept = recent[place];
    if (kept !== undefined && kept.dir === dir && kept.cookie === cookie) return kept;
    const key = numberAndBytes(dir, cookie);
    const value = table.get(key);
    return (recent[place] = {
      dir,
      cookie,
      key,
      members: value === undefined ? NOBODY : decodeBucket(value),
    });
  };

  return {
    lookup(dir, name) {
      const { cookie, members } = bucketOf(dir, name);
      const member = memberOf(members, name);
      return member && entryOf(member, cookie);
    },

    insert(dir, name, ino, type) {
      checkName(name);
      const bucket = bucketOf(dir, name);
      const others = withoutMember(bucket.members, name);
      if (others.length >= MAX_BUCKET) {
        throw namespaceError('ENOSPC', `directory ${dir} has ${MAX_BUCKET} names of one hash`);
      }
      const members = [...others, { name, ino, type }];
      table.put(bucket.key, encodeBucket(members));
      bucket.members = members;
    },

    remove(dir, name) {
      const bucket = bucketOf(dir, name);
      const others = withoutMember(bucket.members, name);
      if (others.length === 0) table.remove(bucket.key);
      else table.put(bucket.key, encodeBucket(others));
      bucket.members = others;
    },

    isEmpty(dir) {
      for (const _ of table.range(numberKey(dir), numberKey(dir + 1))) return false;
      return true;
    },

    *list(dir, cookie) {
      for (const { key, value } of table.range(keyAfter(dir, cookie), numberKey(dir + 1))) {
        const offset = key.subarray(NUMBER_BYTES);
        for (const member of decodeBucket(value)) yield entryOf(member, offset);
      }
    },
  };
}

const NOBODY: Member[] = [];

function memberOf(members: readonly Member[], name: Name): Member | undefined {
  for (const member of members) if (member.name === name) return member;
  return undefined;
}

function withoutMember(members: Member[], name: Name): Member[] {
  return members.length === 0 ? members : members.filter((member) => member.name !== name);
}

/** Field by field: V8 makes a new shape for each object that is spread into and then added to. */
const entryOf = ({ name, ino, type }: Member, cookie: Buffer): Entry => ({
  name,
  ino,
  type,
  cookie,
});

/** The first key that an entry after `cookie` can have. */
function keyAfter(dir: number, cookie: Buffer | undefined): Buffer {
  if (cookie === undefined) return numberKey(dir);
  const next = nextCookie(cookie);
  return next === undefined ? numberKey(dir + 1) : numberAndBytes(dir, next);
}

function checkName(name: Name): void {
  if (name.length > MAX_NAME_BYTES) {
    throw namespaceError('ENAMETOOLONG', `a name has ${name.length} bytes, 255 are allowed`);
  }
  if (name.length === 0) throw namespaceError('EINVAL', 'a name is empty');
}

function encodeBucket(members: readonly Member[]): Buffer {
  let length = 1;
  for (const member of members) length += ENTRY_HEADER + member.name.length;
  const bucket = Buffer.allocUnsafe(length);
  bucket[0] = BUCKET_VERSION;
  let at = 1;
  for (const { name, ino, type } of members) {
    bucket[at] = type;
    bucket[at + 1] = name.length;
    writeNumber(bucket, ino, at + 2);
    bucket.write(name, at + ENTRY_HEADER, 'latin1');
    at += ENTRY_HEADER + name.length;
  }
  return bucket;
}

/** @throws EIO where the bucket is torn or of another version */
function decodeBucket(bucket: Buffer): Member[] {
  if (bucket[0] !== BUCKET_VERSION) {
    throw namespaceError('EIO', `a directory bucket has version ${bucket[0]}`);
  }
  const members: Member[] = [];
  for (let at = 1; at < bucket.length;) {
    const nameAt = at + ENTRY_HEADER;
    const end = nameAt + bucket[at + 1]!;
    if (!(end <= bucket.length)) throw namespaceError('EIO', 'a directory bucket is damaged');
    const name = bucket.toString('latin1', nameAt, end);
    members.push({ name, ino: readNumber(bucket, at + 2), type: bucket[at]! });
    at = end;
  }
  return members;
}
