/** Encodes results as the kernel's reply structures. */
import { ATTR_SIZE, DIRENT_HEADER_SIZE, ENTRY_OUT_SIZE } from './protocol.js';
import type { Attributes, EntrySink, FilesystemStatistics, Opened } from './operations.js';
import type { ReplyWriter } from './wire.js';

/** fuse_attr, 88 bytes. */
function writeAttributes(out: ReplyWriter, a: Attributes): void {
  out.u64(a.ino);
  out.u64(a.size);
  out.u64(a.blocks);
  out.u64(a.atimeSec);
  out.u64(a.mtimeSec);
  out.u64(a.ctimeSec);
  out.u32(a.atimeNsec);
  out.u32(a.mtimeNsec);
  out.u32(a.ctimeNsec);
  out.u32(a.mode);
  out.u32(a.nlink);
  out.u32(a.uid);
  out.u32(a.gid);
  out.u32(a.rdev);
  out.u32(a.blockSize);
  out.u32(0);
}

/** fuse_entry_out, 128 bytes. An inode number of 0 is a negative entry, which the kernel remembers. */
export function writeEntry(out: ReplyWriter, a: Attributes): void {
  out.u64(a.ino);
  out.u64(a.generation);
  out.u64(a.entryValid);
  out.u64(Math.floor(a.attributesValid));
  out.u32(0);
  out.u32((a.attributesValid % 1) * 1e9);
  if (a.ino === 0) out.zeros(ATTR_SIZE);
  else writeAttributes(out, a);
}

/** fuse_attr_out. */
export function writeAttributesReply(out: ReplyWriter, a: Attributes): void {
  out.u64(Math.floor(a.attributesValid));
  out.u32((a.attributesValid % 1) * 1e9);
  out.u32(0);
  writeAttributes(out, a);
}

/** fuse_open_out; the last field was padding before passthrough. */
export function writeOpened(out: ReplyWriter, opened: Opened): void {
  out.u64(opened.handle);
  out.u32(opened.flags);
  out.u32(opened.backingId);
}

/** fuse_statfs_out, 80 bytes. */
export function writeStatistics(out: ReplyWriter, s: FilesystemStatistics): void {
  out.u64(s.blocks);
  out.u64(s.freeBlocks);
  out.u64(s.availableBlocks);
  out.u64(s.files);
  out.u64(s.freeFiles);
  out.u32(s.blockSize);
  out.u32(s.nameLength);
  out.u32(s.blockSize);
  out.zeros(28);
}

const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;

/** fuse_statx_out, 288 bytes. */
export function writeStatx(out: ReplyWriter, a: Attributes): void {
  out.u64(a.attributesValid);
  out.zeros(24);
  out.u32(STATX_BASIC_STATS | STATX_BTIME);
  out.u32(a.blockSize);
  out.u64(0);
  out.u32(a.nlink);
  out.u32(a.uid);
  out.u32(a.gid);
  out.u16(a.mode);
  out.u16(0);
  out.u64(a.ino);
  out.u64(a.size);
  out.u64(a.blocks);
  out.u64(0);
  writeStatxTime(out, a.atimeSec, a.atimeNsec);
  writeStatxTime(out, a.btimeSec, a.btimeNsec);
  writeStatxTime(out, a.ctimeSec, a.ctimeNsec);
  writeStatxTime(out, a.mtimeSec, a.mtimeNsec);
  // Device numbers: the kernel's 32-bit encoding, see new_encode_dev.
  out.u32((a.rdev >>> 8) & 0xfff);
  out.u32((a.rdev & 0xff) | ((a.rdev >>> 12) & 0xfff00));
  out.zeros(8 + 14 * 8);
}

function writeStatxTime(out: ReplyWriter, sec: number, nsec: number): void {
  out.u64(sec);
  out.u32(nsec);
  out.u32(0);
}

/** Fills a readdir or readdirplus reply of at most `limit` bytes. */
export class DirectoryWriter implements EntrySink {
  constructor(
    private readonly out: ReplyWriter,
    private readonly limit: number,
    private readonly plus: boolean,
  ) {}

  get room(): number {
    return this.limit - this.out.position;
  }

  add(
    name: string,
    ino: number,
    type: number,
    cookie: Buffer,
    attributes: Attributes | null,
  ): boolean {
    const padded = (DIRENT_HEADER_SIZE + name.length + 7) & ~7;
    const size = padded + (this.plus ? ENTRY_OUT_SIZE : 0);
    if (size > this.room) return false;
    if (this.plus) {
      // Without attributes the kernel takes the entry as plain readdir would.
      if (attributes === null) this.out.zeros(ENTRY_OUT_SIZE);
      else writeEntry(this.out, attributes);
    }
    this.out.u64(ino);
    this.out.u32(cookie.readUInt32BE(4));
    this.out.u32(cookie.readUInt32BE(0));
    this.out.u32(name.length);
    this.out.u32(type);
    this.out.latin1(name);
    this.out.zeros(padded - DIRENT_HEADER_SIZE - name.length);
    return true;
  }
}
