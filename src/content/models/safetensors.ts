/** Safetensors: eight bytes of length, a JSON header, the data. */
import { UnknownHeader, type ModelBytes, type Span } from './bytes.js';

/** Longer headers are left alone: JSON is parsed in one go, and everything else waits. */
const MAX_HEADER = 4 << 20;

/** The header: name to `{ dtype, shape, data_offsets: [begin, end] }`, counted from its end. */
export async function safetensorsTensors(bytes: ModelBytes): Promise<Span[]> {
  const length = await bytes.u64(0);
  if (length > MAX_HEADER) throw new UnknownHeader();
  const text = (await bytes.at(8, length)).toString('utf8');
  return Object.entries(JSON.parse(text) as Record<string, unknown>)
    .filter(([name]) => name !== '__metadata__')
    .map(([, value]) => spanOf(value, 8 + length));
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
