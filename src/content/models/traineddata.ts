/** Tesseract's container: how many parts, the offset of each (-1: absent), the parts. It has no magic. */
import type { Span } from './bytes.js';

/** There are 24; some room for versions to come. */
const MAX_PARTS = 64;

/** Enough to know one. */
export const DIRECTORY_BYTES = 4 + 8 * MAX_PARTS;

/** Its parts: each ends where the next one begins. Undefined where `head` is no directory of a file of `size`. */
export function trainedDataParts(head: Buffer, size: number): Span[] | undefined {
  const count = head.length < 4 ? 0 : head.readUInt32LE();
  const directory = 4 + 8 * count;
  if (count === 0 || count > MAX_PARTS || directory > head.length) return undefined;
  const starts = Array.from({ length: count }, (_, i) => Number(head.readBigInt64LE(4 + 8 * i)))
    .filter((start) => start !== -1)
    .sort((a, b) => a - b);
  if (starts[0] !== directory || starts[starts.length - 1] > size) return undefined;
  return starts.map((start, i) => ({ start, end: starts[i + 1] ?? size }));
}
