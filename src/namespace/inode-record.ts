/**
 * An inode as bytes and back. The layout, byte by byte, is in README.md here; it never changes for a
 * given version byte.
 */
import { FILE_CLASSES } from '../config/file-class.js';
import { namespaceError } from './errors.js';
import type { Inode } from './types.js';

export const INODE_VERSION = 1;

const FLAG_UNSETTLED = 1;
const FLAG_DIGEST = 2;
const FLAG_ACL = 4;

/** Offsets of version 1. */
const At = {
  version: 0,
  flags: 1,
  fileClass: 2,
  plainTier: 3,
  packedTier: 4,
  pin: 5,
  nameLength: 6,
  mode: 8,
  uid: 12,
  gid: 16,
  rdev: 20,
  nlink: 24,
  generation: 28,
  size: 32,
  plainBlocks: 40,
  packedBytes: 48,
  parent: 56,
  heat: 64,
  heatAt: 72,
  atimeSec: 80,
  mtimeSec: 88,
  ctimeSec: 96,
  btimeSec: 104,
  atimeNsec: 112,
  mtimeNsec: 116,
  ctimeNsec: 120,
  btimeNsec: 124,
  digest: 128,
  name: 144,
} as const;

const DIGEST_BYTES = 16;

/** Records are put together and taken apart here: one view serves all. */
const scratch = Buffer.alloc(At.name);
const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.length);

export function encodeInode(inode: Inode): Buffer {
  writeSmallFields(inode);
  writeLargeFields(inode);
  writeTimes(inode);
  if (inode.digest === '') scratch.fill(0, At.digest, At.digest + DIGEST_BYTES);
  else scratch.write(inode.digest, At.digest, 'hex');
  const { name, target } = inode;
  const record = Buffer.allocUnsafe(At.name + name.length + target.length);
  scratch.copy(record);
  record.write(name, At.name, 'latin1');
  record.write(target, At.name + name.length, 'latin1');
  return record;
}

function writeSmallFields(inode: Inode): void {
  const flags =
    (inode.unsettled ? FLAG_UNSETTLED : 0) |
    (inode.digest === '' ? 0 : FLAG_DIGEST) |
    (inode.hasAcl ? FLAG_ACL : 0);
  view.setUint8(At.version, INODE_VERSION);
  view.setUint8(At.flags, flags);
  view.setUint8(At.fileClass, FILE_CLASSES.indexOf(inode.fileClass));
  view.setUint8(At.plainTier, inode.plainTier);
  view.setUint8(At.packedTier, inode.packedTier);
  view.setUint8(At.pin, inode.pin);
  view.setUint16(At.nameLength, inode.name.length);
  view.setUint32(At.mode, inode.mode);
  view.setUint32(At.uid, inode.uid);
  view.setUint32(At.gid, inode.gid);
  view.setUint32(At.rdev, inode.rdev);
  view.setUint32(At.nlink, inode.nlink);
  view.setUint32(At.generation, inode.generation);
}

function writeLargeFields(inode: Inode): void {
  view.setFloat64(At.size, inode.size);
  view.setFloat64(At.plainBlocks, inode.plainBlocks);
  view.setFloat64(At.packedBytes, inode.packedBytes);
  view.setFloat64(At.parent, inode.parent);
  view.setFloat64(At.heat, inode.heat);
  view.setFloat64(At.heatAt, inode.heatAt);
}

function writeTimes(inode: Inode): void {
  view.setFloat64(At.atimeSec, inode.atimeSec);
  view.setFloat64(At.mtimeSec, inode.mtimeSec);
  view.setFloat64(At.ctimeSec, inode.ctimeSec);
  view.setFloat64(At.btimeSec, inode.btimeSec);
  view.setUint32(At.atimeNsec, inode.atimeNsec);
  view.setUint32(At.mtimeNsec, inode.mtimeNsec);
  view.setUint32(At.ctimeNsec, inode.ctimeNsec);
  view.setUint32(At.btimeNsec, inode.btimeNsec);
}

/** @throws EIO for a record that is torn or of another version */
export function decodeInode(ino: number, record: Buffer): Inode {
  checkRecord(ino, record);
  record.copy(scratch, 0, 0, At.name);
  const flags = view.getUint8(At.flags);
  const nameEnd = At.name + view.getUint16(At.nameLength);
  return {
    ino,
    generation: view.getUint32(At.generation),
    mode: view.getUint32(At.mode),
    uid: view.getUint32(At.uid),
    gid: view.getUint32(At.gid),
    rdev: view.getUint32(At.rdev),
    nlink: view.getUint32(At.nlink),
    size: view.getFloat64(At.size),
    atimeSec: view.getFloat64(At.atimeSec),
    atimeNsec: view.getUint32(At.atimeNsec),
    mtimeSec: view.getFloat64(At.mtimeSec),
    mtimeNsec: view.getUint32(At.mtimeNsec),
    ctimeSec: view.getFloat64(At.ctimeSec),
    ctimeNsec: view.getUint32(At.ctimeNsec),
    btimeSec: view.getFloat64(At.btimeSec),
    btimeNsec: view.getUint32(At.btimeNsec),
    parent: view.getFloat64(At.parent),
    name: record.toString('latin1', At.name, nameEnd),
    target: nameEnd === record.length ? '' : record.toString('latin1', nameEnd),
    plainTier: view.getUint8(At.plainTier),
    plainBlocks: view.getFloat64(At.plainBlocks),
    packedTier: view.getUint8(At.packedTier),
    packedBytes: view.getFloat64(At.packedBytes),
    digest: flags & FLAG_DIGEST ? record.toString('hex', At.digest, At.digest + DIGEST_BYTES) : '',
    heat: view.getFloat64(At.heat),
    heatAt: view.getFloat64(At.heatAt),
    fileClass: FILE_CLASSES[view.getUint8(At.fileClass)]!,
    pin: view.getUint8(At.pin),
    hasAcl: (flags & FLAG_ACL) !== 0,
    unsettled: (flags & FLAG_UNSETTLED) !== 0,
  };
}

function checkRecord(ino: number, record: Buffer): void {
  const whole = record.length >= At.name;
  if (whole && record[At.version] !== INODE_VERSION) {
    throw namespaceError('EIO', `inode ${ino} has record version ${record[At.version]}`);
  }
  if (
    !whole ||
    record.length < At.name + record.readUInt16BE(At.nameLength) ||
    record[At.fileClass]! >= FILE_CLASSES.length
  ) {
    throw namespaceError('EIO', `the record of inode ${ino} is damaged`);
  }
}
