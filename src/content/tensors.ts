/**
 * Where the tensors of a model file lie. A cut at both ends of a tensor makes the same tensor the same chunks in
 * every file, order, container and at every offset.
 *
 * A header may hold anything: one that is not understood, or whose tensors overlap or leave the file, gives
 * no tensors, and the file is cut by its content alone.
 */
import { ModelBytes, UnknownHeader, type ReadBytes, type Span } from './models/bytes.js';
import { ggufTensors } from './models/gguf.js';
import { looksLikeOnnx, onnxTensors } from './models/onnx.js';
import { safetensorsTensors } from './models/safetensors.js';
import { tfliteTensors } from './models/tflite.js';
import { DIRECTORY_BYTES, trainedDataParts } from './models/traineddata.js';

export type { ReadBytes, Span };

/** Shorter files have no tensors. */
const SHORTEST = 24;
/** How much shorter the chunks of a file are whose parts hold tensors that are not read. */
const FINER = 4;
const SHORTEST_CHUNK = 64;

/** Lengths of chunks in bytes. */
export interface Limits {
  min: number;
  average: number;
  max: number;
}

export interface Cutting {
  limits: Limits;
  /** Offsets at which a chunk ends, ascending: both ends of each tensor of at least `min` bytes. */
  cuts: number[];
}

/**
 * How to cut a file. Tensors shorter than the least chunk share chunks with their neighbours; a file that is no longer
 * than it is one chunk, and not read.
 */
export async function cuttingOf(read: ReadBytes, size: number, limits: Limits): Promise<Cutting> {
  if (size <= limits.min) return { limits, cuts: [] };
  const { tensors, opaque } = await layoutOf(read, size);
  const cuts = new Set<number>();
  for (const { start, end } of tensors) {
    if (end - start >= limits.min) cuts.add(start).add(end);
  }
  return { limits: opaque ? finer(limits) : limits, cuts: [...cuts] };
}

function finer({ min, average, max }: Limits): Limits {
  const [least, usual, most] = [min, average, max].map((length) => Math.floor(length / FINER));
  const shorter = { min: least, average: usual, max: most };
  return least < SHORTEST_CHUNK ? { min, average, max } : shorter;
}

interface Layout {
  /** By offset; none where the file has no header that is understood. */
  tensors: Span[];
  /** These are parts that hold tensors which are not read. */
  opaque: boolean;
}

const NOTHING: Layout = { tensors: [], opaque: false };

export async function layoutOf(read: ReadBytes, size: number): Promise<Layout> {
  if (size < SHORTEST) return NOTHING;
  const bytes = new ModelBytes(read, size);
  try {
    const { tensors, opaque } = await find(bytes);
    return { tensors: inOrder(tensors, size), opaque };
  } catch (error) {
    // What looked like JSON was none.
    if (error instanceof UnknownHeader || error instanceof SyntaxError) return NOTHING;
    throw error;
  }
}

/** @throws UnknownHeader, SyntaxError */
async function find(bytes: ModelBytes): Promise<Layout> {
  const head = await bytes.at(0, Math.min(bytes.size, DIRECTORY_BYTES));
  const parts = trainedDataParts(head, bytes.size);
  if (parts !== undefined) return { tensors: parts, opaque: true };
  const parse = parserOf(head);
  return parse === undefined ? NOTHING : { tensors: await parse(bytes), opaque: false };
}

function parserOf(head: Buffer): ((bytes: ModelBytes) => Promise<Span[]>) | undefined {
  if (head.toString('latin1', 0, 4) === 'GGUF') return ggufTensors;
  if (head.toString('latin1', 4, 8) === 'TFL3') return tfliteTensors;
  if (head[8] === 0x7b) return safetensorsTensors;
  return looksLikeOnnx(head) ? onnxTensors : undefined;
}

/** Some writers of TFLite have equal tensors share their bytes. */
function inOrder(spans: Span[], size: number): Span[] {
  const sorted = spans
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start || a.end - b.end)
    .filter(
      ({ start, end }, i, all) => i === 0 || start !== all[i - 1].start || end !== all[i - 1].end,
    );
  let last = 0;
  for (const { start, end } of sorted) {
    if (start < last || end > size) return [];
    last = end;
  }
  return sorted;
}
