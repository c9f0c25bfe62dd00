/**
 * Keys of the namespace tables. All numbers are big endian, so that keys sort by number.
 */
import type { Name } from './types.js';

/** Bytes of an inode number in a key, and of a directory offset. */
export const NUMBER_BYTES = 8;
const HALF = 2 ** 32;

export function writeNumber(buffer: Buffer, value: number, offset: number): void {
  buffer.writeUInt32BE(Math.floor(value / HALF), offset);
  buffer.writeUInt32BE(value >>> 0, offset + 4);
}

export function readNumber(buffer: Buffer, offset: number): number {
  return buffer.readUInt32BE(offset) * HALF + buffer.readUInt32BE(offset + 4);
}

export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(NUMBER_BYTES);
  writeNumber(key, value, 0);
  return key;
}

/** An inode number followed by bytes: a directory's entry or an inode's attribute. */
export function numberAndBytes(value: number, bytes: Buffer): Buffer {
  const key = Buffer.allocUnsafe(NUMBER_BYTES + bytes.length);
  writeNumber(key, value, 0);
  bytes.copy(key, NUMBER_BYTES);
  return key;
}

export function numberAndName(value: number, name: Name): Buffer {
  const key = Buffer.allocUnsafe(NUMBER_BYTES + name.length);
  writeNumber(key, value, 0);
  key.write(name, NUMBER_BYTES, 'latin1');
  return key;
}
