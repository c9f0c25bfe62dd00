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

export function createEntries(table: Table, hash: NameHash): Entries {
  const read = (key: Buffer): Member[] => {
    const bucket = table.get(key);
    return bucket === undefined ? [] : decodeBucket(bucket);
  };
  return {
    lookup(dir, name) {
      const cookie = hash(name);
      const bucket = table.get(numberAndBytes(dir, cookie));
      const member = bucket && decodeBucket(bucket).find((other) => other.name === name);
      return member && entryOf(member, cookie);
    },

    insert(dir, name, ino, type) {
      checkName(name);
      const key = numberAndBytes(dir, hash(name));
      const others = read(key).filter((member) => member.name !== name);
      if (others.length >= MAX_BUCKET) {
        throw namespaceError('ENOSPC', `directory ${dir} has ${MAX_BUCKET} names of one hash`);
      }
      table.put(key, encodeBucket([...others, { name, ino, type }]));
    },

    remove(dir, name) {
      const key = numberAndBytes(dir, hash(name));
      const others = read(key).filter((member) => member.name !== name);
      if (others.length === 0) table.remove(key);
      else table.put(key, encodeBucket(others));
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
