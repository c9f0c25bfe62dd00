/** GGUF, versions 2 and 3: metadata, descriptions of tensors, aligned data. */
import { MAX_TENSORS, UnknownHeader, type ModelBytes, type Span } from './bytes.js';

const MAX_HEADER = 32 << 20;
const STRING = 8;
const ARRAY = 9;
/** Bytes of the values of each fixed-size type, by its number. */
const VALUE_BYTES = new Map([
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
const U32 = 4;
const ALIGNMENT = 32;
const ALIGNMENT_KEY = 'general.alignment';
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

interface Described {
  /** From where the data begins. */
  offset: number;
  bytes: number | undefined;
}

/** Walks a header. What is skipped is not read. */
class Cursor {
  at = 0;

  constructor(private readonly bytes: ModelBytes) {}

  skip(count: number): number {
    const start = this.at;
    this.at += count;
    if (this.at > MAX_HEADER) throw new UnknownHeader();
    return start;
  }
  u32(): Promise<number> {
    return this.bytes.u32(this.skip(4));
  }
  u64(): Promise<number> {
    return this.bytes.u64(this.skip(8));
  }
  async skipText(): Promise<void> {
    this.skip(await this.u64());
  }
  async textIs(expected: string): Promise<boolean> {
    const length = await this.u64();
    const start = this.skip(length);
    if (length !== expected.length) return false;
    return (await this.bytes.at(start, length)).toString('latin1') === expected;
  }
}

export async function ggufTensors(bytes: ModelBytes): Promise<Span[]> {
  const from = new Cursor(bytes);
  from.skip(4);
  const version = await from.u32();
  if (version !== 2 && version !== 3) throw new UnknownHeader();
  const tensorCount = await from.u64();
  if (tensorCount > MAX_TENSORS) throw new UnknownHeader();
  const alignment = await readAlignment(from);
  const tensors: Described[] = [];
  for (let i = 0; i < tensorCount; i++) tensors.push(await readTensor(from));
  const base = Math.ceil(from.at / alignment) * alignment;
  tensors.sort((a, b) => a.offset - b.offset);
  return tensors.map(({ offset, bytes: length }, i) => {
    const next = i + 1 < tensors.length ? base + tensors[i + 1].offset : bytes.size;
    const start = base + offset;
    return { start, end: length === undefined ? next : start + length };
  });
}

/** Passes over the metadata, of which only this matters here. */
async function readAlignment(from: Cursor): Promise<number> {
  const count = await from.u64();
  let alignment = ALIGNMENT;
  for (let i = 0; i < count; i++) {
    const isAlignment = await from.textIs(ALIGNMENT_KEY);
    const type = await from.u32();
    if (isAlignment && type === U32) alignment = await from.u32();
    else await skipValue(from, type);
  }
  if (alignment === 0) throw new UnknownHeader();
  return alignment;
}

async function skipValue(from: Cursor, type: number): Promise<void> {
  const size = VALUE_BYTES.get(type);
  if (size !== undefined) from.skip(size);
  else if (type === STRING) await from.skipText();
  else if (type === ARRAY) await skipArray(from);
  else throw new UnknownHeader();
}

async function skipArray(from: Cursor): Promise<void> {
  const type = await from.u32();
  const count = await from.u64();
  const size = VALUE_BYTES.get(type);
  if (size !== undefined) return void from.skip(count * size);
  // The format allows arrays of arrays; nothing writes them, and they could be nested without end.
  if (type !== STRING) throw new UnknownHeader();
  for (let i = 0; i < count; i++) await from.skipText();
}

async function readTensor(from: Cursor): Promise<Described> {
  await from.skipText();
  const dimensions = await from.u32();
  if (dimensions > MAX_DIMENSIONS) throw new UnknownHeader();
  let elements = 1;
  for (let i = 0; i < dimensions; i++) elements *= await from.u64();
  const element = ELEMENT_BYTES.get(await from.u32());
  const bytes = element === undefined ? undefined : elements * element;
  if (bytes !== undefined && !Number.isSafeInteger(bytes)) throw new UnknownHeader();
  return { offset: await from.u64(), bytes };
}
