/**
 * Where the tensors of a model file lie, from the header of a safetensors or GGUF file. A cut at both ends of
 * a tensor makes the same tensor the same chunks in every file, order, container and at every offset.
 *
 * A header may hold anything: one that is not understood, or whose tensors overlap or leave the file, gives
 * no tensors, and the file is cut by its content alone.
 */

/** Bytes `start` to `end` - 1 of a file. */
export interface Span {
  start: number;
  end: number;
}

/** Reads up to `length` bytes at `offset`; fewer at the end of the file. */
export type ReadBytes = (offset: number, length: number) => Promise<Buffer>;

/** Longer headers are left alone: they are parsed in one go, and everything else waits. */
const MAX_SAFETENSORS_HEADER = 4 << 20;
const MAX_GGUF_HEADER = 32 << 20;
/** Tells what it is, and holds most headers of safetensors. */
const FIRST_READ = 1 << 16;

/**
 * Offsets to cut at, ascending: both ends of each tensor of at least `min` bytes. Smaller ones share chunks
 * with their neighbours.
 */
export async function tensorCuts(read: ReadBytes, size: number, min: number): Promise<number[]> {
  const cuts = new Set<number>();
  for (const { start, end } of await tensorsOf(read, size)) {
    if (end - start >= min) cuts.add(start).add(end);
  }
  return [...cuts];
}

/** The tensors by offset; none where the file has no header that is understood. */
export async function tensorsOf(read: ReadBytes, size: number): Promise<Span[]> {
  let head = await read(0, FIRST_READ);
  const parse = parserOf(head);
  if (parse === undefined) return [];
  try {
    for (let found = parse(head, size); ; found = parse(head, size)) {
      if (typeof found !== 'number') return inOrder(found, size);
      if (found > size) return [];
      const before = head.length;
      head = await read(0, found);
      if (head.length <= before) return [];
    }
  } catch (error) {
    if (error instanceof UnknownHeader || error instanceof SyntaxError) return [];
    throw error;
  }
}

class UnknownHeader extends Error {}

/** @returns the tensors, or how many bytes of the file it must see for that. @throws UnknownHeader, SyntaxError */
type Parser = (head: Buffer, size: number) => Span[] | number;

function parserOf(head: Buffer): Parser | undefined {
  if (head.length < 24) return undefined;
  if (head.toString('latin1', 0, 4) === 'GGUF') return parseGguf;
  return head[8] === 0x7b ? parseSafetensors : undefined;
}

function inOrder(spans: Span[], size: number): Span[] {
  const sorted = spans.filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  let last = 0;
  for (const { start, end } of sorted) {
    if (start < last || end > size) return [];
    last = end;
  }
  return sorted;
}

/** Eight bytes of length, then JSON: name to `{ dtype, shape, data_offsets: [begin, end] }`, counted from its end. */
function parseSafetensors(head: Buffer): Span[] | number {
  const length = u64(head, 0);
  const base = 8 + length;
  if (length > MAX_SAFETENSORS_HEADER) throw new UnknownHeader();
  if (head.length < base) return base;
  const header = JSON.parse(head.toString('utf8', 8, base)) as Record<string, unknown>;
  return Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([, value]) => spanOf(value, base));
}

function spanOf(value: unknown, base: number): Span {
  const offsets = (value as { data_offsets?: unknown } | null)?.data_offsets;
  if (!Array.isArray(offsets) || offsets.length !== 2) throw new UnknownHeader();
  const [begin, end] = offsets as unknown[];
  if (!isOffset(begin) || !isOffset(end)) throw new UnknownHeader();
  return { start: base + begin, end: base + end };
}

const isOffset = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const GGUF_STRING = 8;
const GGUF_ARRAY = 9;
/** Bytes of the values of each fixed-size type, by its number. */
const GGUF_SIZES = new Map([
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 4],
  [5, 4],
  [6, 4],
  [7, 1],
  [10, 8],
  [11, 8],
  [12, 8],
]);
const GGUF_U32 = 4;
const GGUF_ALIGNMENT = 32;
/** Far more than any model has: a header that claims more would keep everything else waiting. */
const MAX_TENSORS = 65_536;
const MAX_DIMENSIONS = 8;
/**
 * Bytes per element of the tensor types without blocks (ggml.h): F32, F16, I8, I16, I32, I64, F64, BF16. A
 * tensor of another type ends where the next one begins.
 */
const ELEMENT_BYTES = new Map([
  [0, 4],
  [1, 2],
  [24, 1],
  [25, 2],
  [26, 4],
  [27, 8],
  [28, 8],
  [30, 2],
]);

/** Walks a header; past its end it remembers how much it lacks. */
class Cursor {
  at = 0;

  constructor(private readonly head: Buffer) {}

  skip(bytes: number): number {
    const start = this.at;
    this.at += bytes;
    if (this.at > MAX_GGUF_HEADER) throw new UnknownHeader();
    if (this.at > this.head.length) throw new NeedsMore();
    return start;
  }
  u32(): number {
    return this.head.readUInt32LE(this.skip(4));
  }
  u64(): number {
    return u64(this.head, this.skip(8));
  }
  text(): string {
    const length = this.u64();
    const start = this.skip(length);
    return this.head.toString('latin1', start, start + length);
  }
}

class NeedsMore extends Error {}

function parseGguf(head: Buffer, size: number): Span[] | number {
  try {
    return readGguf(new Cursor(head), size);
  } catch (error) {
    if (!(error instanceof NeedsMore)) throw error;
    if (head.length >= size) throw new UnknownHeader();
    return Math.min(size, 2 * head.length);
  }
}

function readGguf(from: Cursor, size: number): Span[] {
  from.skip(4);
  const version = from.u32();
  if (version !== 2 && version !== 3) throw new UnknownHeader();
  const tensorCount = from.u64();
  const valueCount = from.u64();
  if (tensorCount > MAX_TENSORS) throw new UnknownHeader();
  let alignment = GGUF_ALIGNMENT;
  for (let i = 0; i < valueCount; i++) {
    const key = from.text();
    const type = from.u32();
    if (key === 'general.alignment' && type === GGUF_U32) alignment = from.u32();
    else skipValue(from, type);
  }
  const tensors: { offset: number; bytes: number | undefined }[] = [];
  for (let i = 0; i < tensorCount; i++) tensors.push(readTensor(from));
  if (alignment === 0) throw new UnknownHeader();
  const base = Math.ceil(from.at / alignment) * alignment;
  tensors.sort((a, b) => a.offset - b.offset);
  return tensors.map(({ offset, bytes }, i) => {
    const next = i + 1 < tensors.length ? base + tensors[i + 1].offset : size;
    const start = base + offset;
    return { start, end: bytes === undefined ? next : start + bytes };
  });
}

function skipValue(from: Cursor, type: number): void {
  const size = GGUF_SIZES.get(type);
  if (size !== undefined) from.skip(size);
  else if (type === GGUF_STRING) from.skip(from.u64());
  else if (type === GGUF_ARRAY) skipArray(from);
  else throw new UnknownHeader();
}

function skipArray(from: Cursor): void {
  const type = from.u32();
  const count = from.u64();
  const size = GGUF_SIZES.get(type);
  if (size !== undefined) return void from.skip(count * size);
  // The format allows arrays of arrays; nothing writes them, and they could be nested without end.
  if (type !== GGUF_STRING) throw new UnknownHeader();
  for (let i = 0; i < count; i++) from.skip(from.u64());
}

function readTensor(from: Cursor): { offset: number; bytes: number | undefined } {
  from.skip(from.u64());
  const dimensions = from.u32();
  if (dimensions > MAX_DIMENSIONS) throw new UnknownHeader();
  let elements = 1;
  for (let i = 0; i < dimensions; i++) elements *= from.u64();
  const element = ELEMENT_BYTES.get(from.u32());
  const bytes = element === undefined ? undefined : elements * element;
  if (bytes !== undefined && !Number.isSafeInteger(bytes)) throw new UnknownHeader();
  return { offset: from.u64(), bytes };
}

/** @throws UnknownHeader for a number that no file could have */
function u64(bytes: Buffer, at: number): number {
  const value = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  if (!Number.isSafeInteger(value)) throw new UnknownHeader();
  return value;
}
