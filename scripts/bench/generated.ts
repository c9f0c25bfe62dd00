/** Inputs that no package carries: weights in bf16, and bytes that don't compress. Both are generated. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes, type RandomBytes } from '../fixtures/random-bytes.js';
import { safetensorsFile } from '../fixtures/safetensors-writer.js';

const MiB = 2 ** 20;
const WRITE_BYTES = 8 * MiB;
/** A shard is made in memory. */
const SHARD_BYTES = 256 * MiB;
const ROWS = 2048;
const COLUMNS = 2048;
const TENSOR_BYTES = 2 * ROWS * COLUMNS;
const NORMALS = 1 << 16;

/** Incompressible bytes, the same on every run. */
export async function writeNoise(path: string, size: number): Promise<void> {
  const random = randomBytes(1);
  const file = await open(path, 'w');
  try {
    for (let left = size; left > 0; left -= WRITE_BYTES) {
      await file.write(random.next(Math.min(left, WRITE_BYTES)));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Shards of a model with generated weights that have the statistics of real ones: normal, with a sigma for
 * each tensor and a scale for each row. The same size gives the same bytes.
 */
export async function writeBf16Model(directory: string, size: number): Promise<void> {
  await mkdir(directory, { recursive: true });
  const random = randomBytes(2);
  const normals = normalSample(random);
  const tensors = Math.max(1, Math.round(size / TENSOR_BYTES));
  const perShard = SHARD_BYTES / TENSOR_BYTES;
  for (let first = 0; first < tensors; first += perShard) {
    const shard = new Map<string, Buffer>();
    for (let i = first; i < Math.min(tensors, first + perShard); i++) {
      shard.set(`model.layers.${i}.weight`, bf16Tensor(random, normals));
    }
    const name = `model-${String(first / perShard + 1).padStart(5, '0')}.safetensors`;
    await writeFile(join(directory, name), safetensorsFile(shard, 'BF16'));
  }
}

function bf16Tensor(random: RandomBytes, normals: Float32Array): Buffer {
  const sigma = 0.01 + 0.03 * uniform(random);
  const { buffer, byteOffset } = random.next(TENSOR_BYTES);
  const choices = new Uint16Array(buffer, byteOffset, ROWS * COLUMNS);
  const bits = new Uint16Array(ROWS * COLUMNS);
  const value = new Float32Array(1);
  const word = new Uint32Array(value.buffer);
  for (let row = 0; row < ROWS; row++) {
    const scale = sigma * Math.exp(0.25 * normals[random.next(2).readUInt16LE()]);
    for (let at = row * COLUMNS; at < (row + 1) * COLUMNS; at++) {
      value[0] = scale * normals[choices[at]];
      bits[at] = nearestBf16(word[0]);
    }
  }
  return Buffer.from(bits.buffer);
}

/** The upper half of a float32, rounded. Weights are small: this can't overflow. */
function nearestBf16(float32: number): number {
  return (float32 + 0x7fff + ((float32 >>> 16) & 1)) >>> 16;
}

/** Normally distributed numbers to choose from (Box-Muller): drawing each weight would take minutes. */
function normalSample(random: RandomBytes): Float32Array {
  return Float32Array.from({ length: NORMALS }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform(random)));
    return radius * Math.cos(2 * Math.PI * uniform(random));
  });
}

/** 0 to less than 1. */
function uniform(random: RandomBytes): number {
  return random.next(4).readUInt32LE() / 2 ** 32;
}
