/**
 * The backtrace: an extended attribute on each backing file that says which file it is, with the names of
 * all its directories, so that the tree can be rebuilt from backing files alone. Format: README.md here.
 *
 * It is written when the file gets its place and may be older than a later rename of a directory above it:
 * where backtraces differ about a directory, the one with the latest change time is right.
 */
import { createRequire } from 'node:module';
import { ROOT_INO, type Inode, type Name, type Namespace } from '../namespace/types.js';

const require = createRequire(import.meta.url);
const { XXHash3 } = require('xxhash-addon') as { XXHash3: { hash(data: Buffer): Buffer } };

export const BACKTRACE_XATTR = 'user.coral-reef.backtrace';

const VERSION = 1;
const COMPLETE = 1;
const FIXED_BYTES = 92;
const LINK_BYTES = 10;
const CHECKSUM_BYTES = 8;
/** Filesystems with 4 KiB blocks have little more than this for all attributes of a file. */
const MAX_BYTES = 2048;

/** A name and the directory that holds it. */
export interface Ancestor {
  parent: number;
  name: Name;
}

export interface Backtrace {
  /** 32 hex digits. */
  volumeId: string;
  ino: number;
  /** st_mode, file type included. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes, as last recorded. */
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  /** The file itself first, then its directory and so on up to the root. */
  ancestors: Ancestor[];
  /** False where the way up was too long and ends below the root, or the file was unlinked. */
  complete: boolean;
}

/** At most 2 KiB. @param volumeId 32 hex digits. */
export function encodeBacktrace(namespace: Namespace, volumeId: string, inode: Inode): Buffer {
  const { ancestors, complete } = ancestorsOf(namespace, inode);
  const links = Buffer.concat(ancestors.map(encodeLink));
  const value = Buffer.alloc(FIXED_BYTES + links.length + CHECKSUM_BYTES);
  value[0] = VERSION;
  value[1] = complete ? COMPLETE : 0;
  value.writeUInt16LE(ancestors.length, 2);
  Buffer.from(volumeId, 'hex').copy(value, 4);
  value.writeBigUInt64LE(BigInt(inode.ino), 20);
  value.writeBigUInt64LE(BigInt(inode.size), 28);
  value.writeUInt32LE(inode.mode, 36);
  value.writeUInt32LE(inode.uid, 40);
  value.writeUInt32LE(inode.gid, 44);
  writeTime(value, 48, inode.mtimeSec, inode.mtimeNsec);
  writeTime(value, 60, inode.ctimeSec, inode.ctimeNsec);
  writeTime(value, 72, inode.btimeSec, inode.btimeNsec);
  links.copy(value, FIXED_BYTES);
  checksum(value).copy(value, value.length - CHECKSUM_BYTES);
  return value;
}

/** The backtrace, or undefined where the bytes are none that this version knows, or damaged. */
export function decodeBacktrace(value: Buffer): Backtrace | undefined {
  if (value.length < FIXED_BYTES + CHECKSUM_BYTES || value[0] !== VERSION) return undefined;
  if (!checksum(value).equals(value.subarray(-CHECKSUM_BYTES))) return undefined;
  return {
    volumeId: value.toString('hex', 4, 20),
    ino: Number(value.readBigUInt64LE(20)),
    size: Number(value.readBigUInt64LE(28)),
    mode: value.readUInt32LE(36),
    uid: value.readUInt32LE(40),
    gid: value.readUInt32LE(44),
    mtimeSec: Number(value.readBigInt64LE(48)),
    mtimeNsec: value.readUInt32LE(56),
    ctimeSec: Number(value.readBigInt64LE(60)),
    ctimeNsec: value.readUInt32LE(68),
    btimeSec: Number(value.readBigInt64LE(72)),
    btimeNsec: value.readUInt32LE(80),
    ancestors: decodeLinks(value),
    complete: (value[1] & COMPLETE) !== 0,
  };
}

/** Where the file was when it got its place, `/a/b` as bytes in latin1; undefined where that is not known to the root. */
export function pathIn({ ancestors, complete }: Backtrace): string | undefined {
  if (!complete || ancestors.length === 0) return undefined;
  return ancestors.reduce((below, { name }) => `/${name}${below}`, '');
}

function ancestorsOf(
  namespace: Namespace,
  inode: Inode,
): Pick<Backtrace, 'ancestors' | 'complete'> {
  const ancestors: Ancestor[] = [];
  let room = MAX_BYTES - FIXED_BYTES - CHECKSUM_BYTES;
  for (let at: Inode | undefined = inode; at; at = namespace.get(at.parent)) {
    if (at.ino === ROOT_INO) return { ancestors, complete: true };
    room -= LINK_BYTES + at.name.length;
    if (at.name === '' || room < 0) break;
    ancestors.push({ parent: at.parent, name: at.name });
  }
  return { ancestors, complete: false };
}

function encodeLink({ parent, name }: Ancestor): Buffer {
  const link = Buffer.alloc(LINK_BYTES + name.length);
  link.writeBigUInt64LE(BigInt(parent), 0);
  link.writeUInt16LE(name.length, 8);
  link.write(name, LINK_BYTES, 'latin1');
  return link;
}

/** The checksum was right, so lengths are as they were written. */
function decodeLinks(value: Buffer): Ancestor[] {
  const ancestors: Ancestor[] = [];
  let at = FIXED_BYTES;
  for (let left = value.readUInt16LE(2); left > 0; left--) {
    const length = value.readUInt16LE(at + 8);
    const end = at + LINK_BYTES + length;
    const name = value.toString('latin1', at + LINK_BYTES, end);
    ancestors.push({ parent: Number(value.readBigUInt64LE(at)), name });
    at = end;
  }
  return ancestors;
}

function writeTime(value: Buffer, offset: number, seconds: number, nanoseconds: number): void {
  value.writeBigInt64LE(BigInt(seconds), offset);
  value.writeUInt32LE(nanoseconds, offset + 8);
}

function checksum(value: Buffer): Buffer {
  return XXHash3.hash(value.subarray(0, value.length - CHECKSUM_BYTES));
}
