/** What a volume's tree is, seen through its mount, in a form that can be kept and compared. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { lstat, S, type Stat } from '../posix/system/attributes.js';
import { below, type Path } from '../posix/system/calls.js';
import { readlink } from '../posix/system/names.js';
import { lgetxattr, llistxattr } from '../posix/system/xattrs.js';

/** Numbers beyond 2^53 are text. Names and link targets are bytes: one character for each (latin1). */
export interface Entry {
  /** Below the mount; empty for the root. */
  path: string;
  /** With the file type. */
  mode: number;
  uid: number;
  gid: number;
  ino: string;
  nlink: number;
  /** Nanoseconds since 1970. */
  mtime: string;
  btime: string;
  device?: [major: number, minor: number];
  size?: number;
  sha256?: string;
  target?: string;
  /** Values in base64. */
  xattrs?: Record<string, string>;
  pin?: string;
  tier?: string;
  form?: string;
}

/** The tree by path, without what is below directories whose path is in `except`. */
export function readTree(root: string, except: readonly string[] = []): Entry[] {
  const entries: Entry[] = [];
  const visit = (path: Buffer, shown: string): void => {
    entries.push(entryOf(path, shown));
    if (!isType(lstat(path), S.IFDIR) || except.includes(shown)) return;
    for (const name of readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare)) {
      const text = name.toString('latin1');
      visit(below(path, name), shown === '' ? text : `${shown}/${text}`);
    }
  };
  visit(Buffer.from(root), '');
  return entries;
}

function entryOf(path: Buffer, shown: string): Entry {
  const stat = lstat(path);
  const { mode, uid, gid, nlink } = stat;
  const times = { mtime: String(stat.mtime), btime: String(stat.btime) };
  const common = { path: shown, mode, uid, gid, ino: String(stat.ino), nlink, ...times };
  return { ...common, ...typeFacts(path, stat), ...attributesOf(path, isType(stat, S.IFREG)) };
}

function typeFacts(path: Buffer, stat: Stat): Partial<Entry> {
  if (isType(stat, S.IFLNK)) return { target: readlink(path).toString('latin1') };
  if (isType(stat, S.IFREG)) return { size: stat.size, sha256: sha256(readFileSync(path)) };
  const isDevice = isType(stat, S.IFBLK) || isType(stat, S.IFCHR);
  return isDevice ? { device: [stat.rdevMajor, stat.rdevMinor] } : {};
}

const isType = ({ mode }: Stat, type: number): boolean => (mode & S.IFMT) === type;

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

function attributesOf(path: Buffer, isFile: boolean): Partial<Entry> {
  const facts: Partial<Entry> = {};
  const listed = llistxattr(path).map((name) => [name, lgetxattr(path, name).toString('base64')]);
  if (listed.length > 0) facts.xattrs = Object.fromEntries(listed) as Record<string, string>;
  for (const name of ['pin', 'tier', 'form'] as const) {
    if (name !== 'pin' && !isFile) continue;
    const value = optional(path, `user.coral-reef.${name}`);
    if (value !== undefined) facts[name] = value;
  }
  return facts;
}

/** The virtual attributes are only where they say something. */
function optional(path: Path, name: string): string | undefined {
  try {
    return lgetxattr(path, name).toString();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENODATA' || code === 'EPERM') return undefined;
    throw error;
  }
}
