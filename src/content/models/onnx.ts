/**
 * ONNX: one message of Protocol Buffers (onnx.proto). Tensors lie anywhere in it: in the graph, in attributes of
 * its nodes, in graphs within those. A model whose weights are in files beside it has none here.
 */
import { MAX_TENSORS, UnknownHeader, type ModelBytes, type Span } from './bytes.js';

type Message = 'model' | 'graph' | 'function' | 'node' | 'attribute' | 'tensor';

/** Fields that lead to tensors, and those that hold their data, by number. */
const FIELDS: Record<Message, Record<number, Message | 'data' | undefined>> = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph' },
  tensor: { 4: 'data', 5: 'data', 7: 'data', 9: 'data', 10: 'data', 11: 'data' },
};

const MAX_FIELDS = 1 << 20;
const MAX_DEPTH = 64;
/** The longest tag and the longest length. */
const FIELD_HEADER = 5 + 10;
const MAX_VARINT = 10;

interface Field extends Span {
  number: number;
  /** It has a length of its own: a message, a text, packed numbers. */
  lengthy: boolean;
}

/** A model starts with `ir_version`, a small number, and a field of one byte's tag behind it. */
export function looksLikeOnnx(head: Buffer): boolean {
  return head[0] === 0x08 && head[1] > 0 && head[1] < 0x20 && [0, 2].includes(head[2] & 7);
}

export async function onnxTensors(bytes: ModelBytes): Promise<Span[]> {
  const tensors: Span[] = [];
  const within: { message: Message; end: number }[] = [{ message: 'model', end: bytes.size }];
  let at = 0;
  for (let count = 0; within.length > 0;) {
    const { message, end } = within[within.length - 1];
    if (at === end) {
      within.pop();
      continue;
    }
    const field = await fieldAt(bytes, at, end);
    const what = field.lengthy ? FIELDS[message][field.number] : undefined;
    const enters = what !== undefined && what !== 'data';
    if (enters) within.push({ message: what, end: field.end });
    if (what === 'data') tensors.push(field);
    if (++count > MAX_FIELDS || tensors.length > MAX_TENSORS || within.length > MAX_DEPTH)
      throw new UnknownHeader();
    at = enters ? field.start : field.end;
  }
  return tensors;
}

/** The field whose tag is at `at`, within a message that ends at `limit`. */
async function fieldAt(bytes: ModelBytes, at: number, limit: number): Promise<Field> {
  const head = await bytes.at(at, Math.min(FIELD_HEADER, limit - at));
  const tag = varint(head, 0);
  const number = Math.floor(tag.value / 8);
  let start = at + tag.end;
  let end: number;
  switch (tag.value % 8) {
    case 0:
      end = at + varint(head, tag.end).end;
      break;
    case 1:
      end = start + 8;
      break;
    case 2: {
      const length = varint(head, tag.end);
      start = at + length.end;
      end = start + length.value;
      break;
    }
    case 5:
      end = start + 4;
      break;
    default:
      throw new UnknownHeader();
  }
  if (end > limit) throw new UnknownHeader();
  return { number, start, end, lengthy: tag.value % 8 === 2 };
}

/** A number of seven bits in each byte, the low ones first; not exact where it is no length. */
function varint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < MAX_VARINT && at + i < bytes.length; i++) {
    const byte = bytes[at + i];
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  throw new UnknownHeader();
}
