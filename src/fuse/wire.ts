/** Reads requests and writes replies: little-endian fields, names up to a NUL. Knows no opcode. */
import { IN_HEADER_SIZE } from './protocol.js';

const TWO_32 = 2 ** 32;

/** Faster than Buffer's own methods, which check more. */
function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A request in the session's buffer; valid until the handler returns or first awaits. */
export class RequestView {
  /** Bytes of the request, header included. */
  length = 0;
  private readonly view: DataView;

  constructor(readonly bytes: Buffer) {
    this.view = viewOf(bytes);
  }

  get opcode(): number {
    return this.view.getUint32(4, true);
  }
  get unique(): number {
    return this.u64(8 - IN_HEADER_SIZE);
  }
  get nodeid(): number {
    return this.u64(16 - IN_HEADER_SIZE);
  }
  get uid(): number {
    return this.view.getUint32(24, true);
  }
  get gid(): number {
    return this.view.getUint32(28, true);
  }
  get pid(): number {
    return this.view.getUint32(32, true);
  }

  /** Offsets count from the end of the header. */
  u32(offset: number): number {
    return this.view.getUint32(IN_HEADER_SIZE + offset, true);
  }
  u64(offset: number): number {
    const at = IN_HEADER_SIZE + offset;
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * TWO_32;
  }
  /** Seconds are signed: times before 1970 are valid. */
  i64(offset: number): number {
    const at = IN_HEADER_SIZE + offset;
    return this.view.getUint32(at, true) + this.view.getInt32(at + 4, true) * TWO_32;
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
  private readonly view: DataView;

  constructor(readonly bytes: Buffer) {
    this.view = viewOf(bytes);
  }

  u16(value: number): void {
    this.view.setUint16(this.position, value, true);
    this.position += 2;
  }
  u32(value: number): void {
    this.view.setUint32(this.position, value, true);
    this.position += 4;
  }
  /** Also negative values, as two's complement. */
  u64(value: number): void {
    const high = Math.floor(value / TWO_32);
    this.view.setUint32(this.position, value - high * TWO_32, true);
    this.view.setInt32(this.position + 4, high, true);
    this.position += 8;
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
