/**
 * TensorFlow Lite: a FlatBuffer whose root is the table `Model` (schema.fbs). The data of its tensors is in
 * the vector of `Buffer`s, or behind the FlatBuffer, where a `Buffer` says so.
 */
import { MAX_TENSORS, UnknownHeader, type ModelBytes, type Span } from './bytes.js';

/** Fields by their number: of `Model`, of `Buffer`. */
const BUFFERS = 4;
const DATA = 0;
const OFFSET = 1;
const SIZE = 2;
/** Of a table's description: two lengths, then where the fields are that are used here. */
const DESCRIPTION_BYTES = 4 + 2 * (BUFFERS + 1);

/** Where a table has its fields, as it stands in the file. Tables of one kind share it. */
type Descriptions = Map<number, Buffer>;

export async function tfliteTensors(bytes: ModelBytes): Promise<Span[]> {
  const known: Descriptions = new Map();
  const field = await fieldOf(bytes, known, await bytes.u32(0), BUFFERS);
  if (field === undefined) return [];
  const vector = await pointedAt(bytes, field);
  const count = await bytes.u32(vector);
  if (count > MAX_TENSORS) throw new UnknownHeader();
  const pointers = await bytes.at(vector + 4, 4 * count);
  const tensors: Span[] = [];
  for (let i = 0; i < count; i++) {
    const table = vector + 4 + 4 * i + pointers.readUInt32LE(4 * i);
    const span = await spanOf(bytes, known, table);
    if (span) tensors.push(span);
  }
  return tensors;
}

async function spanOf(
  bytes: ModelBytes,
  known: Descriptions,
  table: number,
): Promise<Span | undefined> {
  const data = await fieldOf(bytes, known, table, DATA);
  if (data !== undefined) {
    const vector = await pointedAt(bytes, data);
    const start = vector + 4;
    return { start, end: start + (await bytes.u32(vector)) };
  }
  const offset = await fieldOf(bytes, known, table, OFFSET);
  const size = await fieldOf(bytes, known, table, SIZE);
  if (offset === undefined || size === undefined) return undefined;
  const start = await bytes.u64(offset);
  return { start, end: start + (await bytes.u64(size)) };
}

/** Where a field of the table is; undefined where it has its default. */
async function fieldOf(
  bytes: ModelBytes,
  known: Descriptions,
  table: number,
  field: number,
): Promise<number | undefined> {
  const at = table - (await bytes.at(table, 4)).readInt32LE();
  let description = known.get(at);
  if (!description) known.set(at, (description = await descriptionAt(bytes, at)));
  const entry = 4 + 2 * field;
  const place = entry + 2 <= description.length ? description.readUInt16LE(entry) : 0;
  return place === 0 ? undefined : table + place;
}

async function descriptionAt(bytes: ModelBytes, at: number): Promise<Buffer> {
  const length = Math.min(await bytes.u16(at), DESCRIPTION_BYTES);
  // A copy: what it is cut from is much longer.
  return Buffer.from(await bytes.at(at, length));
}

const pointedAt = async (bytes: ModelBytes, at: number): Promise<number> =>
  at + (await bytes.u32(at));
