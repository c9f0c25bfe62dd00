/** What a file must hold: the bytes in memory. */

export class FileModel {
  /** Beyond `size` everything is zero, as what a file is extended by must be. */
  private readonly bytes: Buffer;
  size = 0;

  constructor(readonly limit: number) {
    this.bytes = Buffer.alloc(limit);
  }

  read(offset: number, length: number): Buffer {
    return this.bytes.subarray(Math.min(offset, this.size), Math.min(offset + length, this.size));
  }

  write(offset: number, data: Buffer): void {
    if (data.length === 0) return;
    data.copy(this.bytes, offset);
    this.size = Math.max(this.size, offset + data.length);
  }

  /** Punching a hole or zeroing; what lies beyond the end stays there. */
  zero(offset: number, length: number): void {
    this.bytes.fill(0, offset, offset + length);
  }

  extend(size: number): void {
    this.size = Math.max(this.size, size);
  }

  truncate(size: number): void {
    if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }

  isZero(from: number, to: number): boolean {
    return this.bytes.subarray(from, Math.min(to, this.size)).every((byte) => byte === 0);
  }
}

/** One line on how `actual` differs from `expected`, or null. `offset` is where in the file both begin. */
export function difference(expected: Buffer, actual: Buffer, offset: number): string | null {
  if (actual.equals(expected)) return null;
  const shorter = Math.min(expected.length, actual.length);
  let first = 0;
  while (first < shorter && expected[first] === actual[first]) first++;
  let wrong = 0;
  let last = first;
  for (let i = first; i < shorter; i++) {
    if (expected[i] !== actual[i]) {
      wrong++;
      last = i;
    }
  }
  return [
    `first difference at ${String(offset + first)}, last at ${String(offset + last)}`,
    `${String(wrong)} bytes wrong`,
    `expected ${expected.subarray(first, first + 8).toString('hex')}`,
    `got ${actual.subarray(first, first + 8).toString('hex')}`,
    `${String(actual.length)} of ${String(expected.length)} bytes`,
  ].join(', ');
}
