/** Headers of model files may claim anything: what is made of them are cuts of this file, soon, from bounded reads. */
import assert from 'node:assert/strict';
import { ggufFile, type GgufValue } from '../../scripts/fixtures/gguf-writer.js';
import { onnxFile } from '../../scripts/fixtures/onnx-writer.js';
import { safetensorsFile } from '../../scripts/fixtures/safetensors-writer.js';
import { tfliteFile } from '../../scripts/fixtures/tflite-writer.js';
import { cuttingOf, type ReadBytes } from '../../src/content/tensors.js';
import { cutFile, storeFile, USUAL } from '../native/content-kit.js';
import type { Chance } from '../random/randomness.js';
import { writeField } from './pack-bytes.js';

/** As `models/bytes.ts` has it. */
const MAX_READS = 1 << 14;
/** The longest that is read in one go: a header of safetensors. */
const MAX_READ = 4 << 20;
const NUMBERS = [
  '0',
  '-1',
  '1e308',
  '1e999',
  '9007199254740993',
  '4294967296',
  '0.5',
  'null',
  '[]',
];
const EDGES = [0n, 1n, 8n, 65_535n, 65_536n, 65_537n, 1n << 31n, 1n << 32n, 1n << 53n, ~0n];

export function modelFiles(chance: Chance): Buffer[] {
  const tensors = new Map([
    ['embedding', chance.bytes.next(70_002)],
    ['norm', chance.bytes.next(100)],
    ['attention', chance.bytes.next(40_000)],
    ['output', chance.bytes.next(33_334)],
  ]);
  const metadata = new Map<string, GgufValue>([
    ['general.name', { type: 'string', value: 'fuzz' }],
    ['general.alignment', { type: 'u32', value: 32 }],
    ['scores', { type: 'array', of: 'f32', values: [1, 2, 3] }],
    ['tokens', { type: 'array', of: 'string', values: ['a', 'b', 'tokens'] }],
  ]);
  return [
    safetensorsFile(tensors),
    ggufFile(metadata, tensors),
    // A short one at the end: its place is in the node that comes first.
    onnxFile(new Map([...tensors, ['bias', chance.bytes.next(10)]])),
    tfliteFile(tensors),
    tfliteFile(tensors, true),
  ];
}

export async function checkHeader(directory: string, model: Buffer, chance: Chance): Promise<void> {
  const file = damagedHeader(model, chance);
  // A file that has all the bytes that its header may claim.
  if (chance.oneIn(8)) await checkClaims(file, chance.pick([1 << 30, 2 ** 50]));
  const min = chance.pick([1, USUAL.min]);
  const limits = { ...USUAL, min };
  const { cuts } = await cuttingOf(boundedReader(file, file.length), file.length, limits);
  let last = -1;
  for (const cut of cuts) {
    assert.ok(Number.isSafeInteger(cut) && cut > last && cut <= file.length, `cut ${cut}`);
    last = cut;
  }
  const path = storeFile(directory, 'model', file);
  const { lengths, batches } = await cutFile(path, USUAL, 1 << 20, Float64Array.from(cuts));
  for (const batch of batches) batch.release();
  assert.equal(
    lengths.reduce((sum, length) => sum + length, 0),
    file.length,
  );
  assert.ok(lengths.every((length) => length <= USUAL.max));
}

const checkClaims = (file: Buffer, size: number): Promise<unknown> =>
  cuttingOf(boundedReader(file, size), size, USUAL);

/** Few reads and short ones, wherever they are. What is behind the file are zeros. */
function boundedReader(file: Buffer, size: number): ReadBytes {
  let reads = 0;
  return async (offset, length) => {
    assert.ok(++reads <= MAX_READS, 'it reads and reads');
    assert.ok(offset >= 0 && offset < size, `reads at ${offset}`);
    assert.ok(length > 0 && length <= MAX_READ, `reads ${length} bytes`);
    const bytes = Buffer.alloc(Math.min(length, size - offset));
    file.subarray(offset).copy(bytes);
    return bytes;
  };
}

/** The header is in the first half kilobyte. */
function damagedHeader(model: Buffer, chance: Chance): Buffer {
  let file: Buffer = Buffer.from(model);
  for (let n = 1 + chance.skewed(4); n > 0; n--) {
    file = chance.pick([flip, setField, setNumber, cutOff, insert, remove])(file, chance);
  }
  return file;
}

const inHeader = (file: Buffer, chance: Chance): number => chance.below(Math.min(500, file.length));

function flip(file: Buffer, chance: Chance): Buffer {
  if (file.length > 0) file[inHeader(file, chance)] ^= 1 << chance.below(8);
  return file;
}

function setField(file: Buffer, chance: Chance): Buffer {
  const at = chance.oneIn(3) ? chance.pick([0, 4, 8, 16]) : inHeader(file, chance);
  const length = chance.pick([4, 8]);
  if (at + length <= file.length) writeField(file, at, length, chance.pick(EDGES));
  return file;
}

/** Another number in the JSON of safetensors, or anything else that JSON has. */
function setNumber(file: Buffer, chance: Chance): Buffer {
  const length = Number(file.length < 8 ? 0n : file.readBigUInt64LE(0));
  if (length > 4_096) return file;
  const numbers = [...file.toString('latin1', 8, 8 + length).matchAll(/\d+/g)];
  if (numbers.length === 0) return file;
  const { index, 0: number } = chance.pick(numbers);
  const [from, to] = [8 + index, 8 + index + number.length];
  const other = Buffer.from(chance.pick(NUMBERS));
  const changed = Buffer.concat([file.subarray(0, from), other, file.subarray(to)]);
  changed.writeBigUInt64LE(BigInt(length + other.length - number.length));
  return changed;
}

const cutOff = (file: Buffer, chance: Chance): Buffer =>
  file.subarray(0, chance.oneIn(2) ? inHeader(file, chance) : chance.below(file.length + 1));

function insert(file: Buffer, chance: Chance): Buffer {
  const at = inHeader(file, chance);
  const run = chance.oneIn(2) ? chance.bytes.next(1 + chance.skewed(100)) : file.subarray(0, at);
  return Buffer.concat([file.subarray(0, at), run, file.subarray(at)]);
}

function remove(file: Buffer, chance: Chance): Buffer {
  const at = inHeader(file, chance);
  return Buffer.concat([file.subarray(0, at), file.subarray(at + 1 + chance.skewed(100))]);
}
