import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ggufFile, type GgufValue } from '../../scripts/fixtures/gguf-writer.js';
import { onnxFile } from '../../scripts/fixtures/onnx-writer.js';
import { randomBytes, randomChoices } from '../../scripts/fixtures/random-bytes.js';
import { safetensorsFile } from '../../scripts/fixtures/safetensors-writer.js';
import { tfliteFile } from '../../scripts/fixtures/tflite-writer.js';
import { cuttingOf, layoutOf, type Span } from '../../src/content/tensors.js';
import { seed } from '../seed.js';

const noise = randomBytes(1);
const TENSORS = new Map([
  ['embedding', noise.next(70_002)],
  ['norm', noise.next(100)],
  ['attention', noise.next(40_000)],
  ['output', noise.next(33_334)],
]);

function read(file: Buffer) {
  return async (offset: number, length: number) => file.subarray(offset, offset + length);
}

const spansOf = async (file: Buffer) => (await layoutOf(read(file), file.length)).tensors;
const LIMITS = { min: 16_384, average: 65_536, max: 262_144 };

function assertAre(file: Buffer, spans: Span[], tensors: Map<string, Buffer>): void {
  const found = spans.map(({ start, end }) => file.subarray(start, end));
  assert.deepEqual(found, [...tensors.values()]);
}

/** Longer than what is read at first, as vocabularies are. */
const VOCABULARY = new Map<string, GgufValue>([
  ['general.name', { type: 'string', value: 'test' }],
  ['tokenizer.scores', { type: 'array', of: 'f32', values: Array.from({ length: 9_000 }, Number) }],
  [
    'tokenizer.tokens',
    { type: 'array', of: 'string', values: Array.from({ length: 9_000 }, (_, i) => `token ${i}`) },
  ],
  ['tokenizer.add_bos', { type: 'bool', value: true }],
]);

test('the tensors of a safetensors file are found', async () => {
  const file = safetensorsFile(TENSORS);
  assertAre(file, await spansOf(file), TENSORS);
});

test('the tensors of a GGUF file are found, behind a long vocabulary too', async () => {
  for (const metadata of [new Map<string, GgufValue>(), VOCABULARY]) {
    const file = ggufFile(metadata, TENSORS);
    assertAre(file, await spansOf(file), TENSORS);
  }
});

test('the tensors of an ONNX file are found, in a branch of a node too', async () => {
  const file = onnxFile(TENSORS);
  const [inBranch, ...initializers] = await spansOf(file);
  assertAre(file, [...initializers, inBranch], TENSORS);
});

test('the tensors of a TensorFlow Lite file are found, inside or behind its FlatBuffer', async () => {
  for (const behind of [false, true]) {
    const file = tfliteFile(TENSORS, behind);
    assertAre(file, await spansOf(file), TENSORS);
  }
});

/** Tesseract's container, with absent parts between. */
function trainedData(parts: Buffer[]): Buffer {
  const directory = Buffer.alloc(4 + 8 * 24, 0xff);
  directory.writeUInt32LE(24);
  let at = directory.length;
  for (const [i, part] of parts.entries()) {
    directory.writeBigInt64LE(BigInt(at), 4 + 8 * (3 * i + 1));
    at += part.length;
  }
  return Buffer.concat([directory, ...parts]);
}

test('the parts of a trained data file are found, and cut finer than others', async () => {
  const file = trainedData([...TENSORS.values()]);
  assertAre(file, await spansOf(file), TENSORS);
  const { limits, cuts } = await cuttingOf(read(file), file.length, LIMITS);
  assert.deepEqual(limits, { min: 4_096, average: 16_384, max: 65_536 });
  assert.ok(cuts.length > 0);
});

test('cuts are made at both ends of tensors that are worth a chunk', async () => {
  const file = safetensorsFile(TENSORS);
  const [embedding, , attention, output] = await spansOf(file);
  const { limits, cuts } = await cuttingOf(read(file), file.length, LIMITS);
  assert.deepEqual(limits, LIMITS);
  assert.deepEqual(cuts, [
    embedding.start,
    embedding.end,
    attention.start,
    output.start,
    output.end,
  ]);
});

test('a file that is no model has no tensors', async () => {
  for (const file of [
    Buffer.alloc(0),
    Buffer.from('GGUF'),
    Buffer.alloc(100_000),
    noise.next(4096),
  ])
    assert.deepEqual(await spansOf(file), []);
});

test('a header that promises too much is not believed', async () => {
  const file = safetensorsFile(TENSORS);
  const swap = (from: string, to: string): Buffer =>
    Buffer.from(file.toString('latin1').replace(from, to), 'latin1');
  const overlapping = swap('[0,70002]', '[0,70004]');
  const outside = swap('110102,143436]', '110102,943436]');
  const negative = swap('[0,70002]', '[-1,7000]');
  const strange = swap('"data_offsets"', '"data_offzets"');
  for (const damaged of [overlapping, outside, negative, strange]) {
    assert.notDeepEqual(damaged, file);
    assert.deepEqual(await spansOf(damaged), []);
  }
});

test('a file that was torn off has no tensors', async () => {
  for (const write of [safetensorsFile, onnxFile, tfliteFile]) {
    const file = write(TENSORS);
    assert.equal((await spansOf(file)).length, 4);
    assert.deepEqual(await spansOf(file.subarray(0, file.length - 16)), [], write.name);
  }
});

test('no header, however damaged, gives spans that are not in the file or overlap', async (t) => {
  t.diagnostic(`SEED=${seed}`);
  const below = randomChoices(seed);
  const originals = [
    safetensorsFile(TENSORS),
    ggufFile(VOCABULARY, TENSORS),
    onnxFile(TENSORS),
    tfliteFile(TENSORS),
    tfliteFile(TENSORS, true),
    trainedData([...TENSORS.values()]),
  ];
  let believed = 0;
  for (let round = 0; round < 6_000; round++) {
    const file = damage(originals[round % originals.length], below);
    let last = 0;
    for (const { start, end } of await spansOf(file)) {
      assert.ok(start >= last && end > start && end <= file.length);
      last = end;
      believed++;
    }
  }
  assert.ok(believed > 0, 'some damage leaves a header that means something');
});

/** Flips bytes of the header, puts large numbers there, or cuts the file off. */
function damage(original: Buffer, below: (limit: number) => number): Buffer {
  const file = Buffer.from(original.subarray(0, 400_000));
  const header = below(2) === 0 ? 400 : 230_000;
  for (let n = 1 + below(4); n > 0; n--) {
    const at = below(Math.min(header, file.length - 8));
    if (below(3) === 0) file.writeBigUInt64LE(BigInt.asUintN(below(65), -1n), at);
    else file[at] ^= 1 << below(8);
  }
  return below(4) === 0 ? file.subarray(0, below(file.length)) : file;
}
