/** Reads requests and writes replies: little-endian fields, names up to a NUL. Knows no opcode. */
import { IN_HEADER_SIZE } from './protocol.js';

const TWO_32 = 2 ** 32;

/** A request in the session's buffer; valid until the handler returns or first awaits. */
export class RequestView {
  /** Bytes of the request, header included. */
  length = 0;

  constructor(readonly bytes: Buffer) {}

  get opcode(): number {
    return this.bytes.readUInt32LE(4);
  }
  get unique(): number {
    return this.u64(8 - IN_HEADER_SIZE);
  }
  get nodeid(): number {
    return this.u64(16 - IN_HEADER_SIZE);
  }
  get uid(): number {
    return this.bytes.readUInt32LE(24);
  }
  get gid(): number {
    return this.bytes.readUInt32LE(28);
  }
  get pid(): number {
    return this.bytes.readUInt32LE(32);
  }

  /** Offsets count from the end of the header. */
  u32(offset: number): number {
    return this.bytes.readUInt32LE(IN_HEADER_SIZE + offset);
  }
  u64(offset: number): number {
    const at = IN_HEADER_SIZE + offset;
    return this.bytes.readUInt32LE(at) + this.bytes.readUInt32LE(at + 4) * TWO_32;
  }
  /** Seconds are signed: times before 1970 are valid. */
  i64(offset: number): number {
    const at = IN_HEADER_SIZE + offset;
    return this.bytes.readUInt32LE(at) + this.bytes.readInt32LE(at + 4) * TWO_32;
  }
  /** A name as latin1, one character per byte. */
  name(offset: number): string {
    const start = IN_HEADER_SIZE + offset;
    const end = this.bytes.indexOf(0, start);
    const stop = end < 0 || end > this.length ? this.length : end;
    return this.bytes.toString('latin1', start, stop);
  }
  /** A copy. */
  data(offset: number, length: number): Buffer {
    const start = IN_HEADER_SIZE + offset;
    return Buffer.from(this.bytes.subarray(start, Math.min(start + length, this.length)));
  }
}

/** Writes a reply's payload front to back. */
export class ReplyWriter {
  position = 0;

  constructor(readonly bytes: Buffer) {}

  u16(value: number): void {
    this.position = this.bytes.writeUInt16LE(value, this.position);
  }
  u32(value: number): void {
    this.position = this.bytes.writeUInt32LE(value >>> 0, this.position);
  }
  /** Also negative values, as two's complement. */
  u64(value: number): void {
    const high = Math.floor(value / TWO_32);
    this.bytes.writeUInt32LE(value - high * TWO_32, this.position);
    this.position = this.bytes.writeInt32LE(high | 0, this.position + 4);
  }
  zeros(count: number): void {
    this.bytes.fill(0, this.position, this.position + count);
    this.position += count;
  }
  latin1(text: string): void {
    this.position += this.bytes.write(text, this.position, 'latin1');
  }
  raw(data: Buffer): void {
    this.position += data.copy(this.bytes, this.position);
  }
}
