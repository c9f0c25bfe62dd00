/** What the tests of the native content half share: seeded data, and files packed as plans. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { randomFrom, seed, type Random } from '../seed.js';
import {
  native,
  type ChunkBatch,
  type Encoding,
  type PackedPlan,
  type PackWriter,
} from '../../src/native.js';

export const VOLUME_ID = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
export const FIRST_RECORD = 8192;
export const RECORD_HEADER = 64;

export interface Limits {
  min: number;
  average: number;
  max: number;
}
export const SMALL: Limits = { min: 256, average: 1024, max: 4096 };
export const USUAL: Limits = { min: 16 << 10, average: 64 << 10, max: 256 << 10 };

export { randomFrom, type Random };

/** The seed of this run: `SEED=n` replays one. */
export function testSeed(context: TestContext): number {
  context.diagnostic(`SEED=${seed}`);
  return seed;
}

export function noise(length: number, random: Random): Buffer {
  const data = Buffer.alloc(Math.ceil(length / 4) * 4);
  for (let i = 0; i < data.length; i += 4) data.writeUInt32LE(random(), i);
  return data.subarray(0, length);
}

export function text(length: number, random: Random): Buffer {
  const words = ['coral', 'reef', 'tier', 'chunk', 'recipe', 'heat', 'pack', 'model'];
  let line = '';
  while (line.length < length) line += `${words[random() % words.length]} ${random() % 1000}\n`;
  return Buffer.from(line).subarray(0, length);
}

/** About normal, as weights are: the sum of twelve uniform numbers, less their mean. */
export function weight(random: Random): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random() / 2 ** 32;
  return 0.02 * sum;
}

export function float32(count: number, value: (i: number) => number): Buffer {
  return Buffer.from(Float32Array.from({ length: count }, (_, i) => value(i)).buffer);
}

/** bf16: the upper half of each float32. */
export function upperHalves(floats: Buffer): Buffer {
  const halves = Buffer.alloc(floats.length / 2);
  for (let i = 0; i < halves.length; i += 2) floats.copy(halves, i, 2 * i + 2, 2 * i + 4);
  return halves;
}

export function temporaryDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-content-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A filesystem of `size` (as mount(8) takes it) in memory. Needs root. */
export function smallFilesystem(context: TestContext, size: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-small-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory]);
  context.after(() => {
    execFileSync('umount', [directory]);
    rmSync(directory, { recursive: true });
  });
  return directory;
}

export function storeFile(directory: string, name: string, data: Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, data);
  return path;
}

export async function withFile<T>(path: string, flags: string, use: (fd: number) => Promise<T>) {
  const fd = openSync(path, flags);
  try {
    return await use(fd);
  } finally {
    closeSync(fd);
  }
}

export interface Cutting {
  batches: ChunkBatch[];
  hashes: string[];
  lengths: number[];
  zero: boolean[];
  digest: string;
}

/** Cuts and hashes a file; the batches are kept. */
export async function cutFile(
  path: string,
  limits: Limits,
  batchBytes = 1 << 20,
  cuts?: Float64Array,
) {
  const cutting: Cutting = { batches: [], hashes: [], lengths: [], zero: [], digest: '' };
  await withFile(path, 'r', async (fd) => {
    const { min, average, max } = limits;
    const reader = native.createChunkReader(fd, min, average, max, batchBytes, cuts);
    for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
      cutting.batches.push(batch);
      for (let i = 0; i < batch.count; i++) {
        cutting.hashes.push(batch.hashes.subarray(i * 32, i * 32 + 32).toString('hex'));
        cutting.lengths.push(batch.lengths[i]);
        cutting.zero.push(batch.zero[i] === 1);
      }
    }
    cutting.digest = reader.digest().toString('hex');
    reader.close();
  });
  return cutting;
}

export const AS_IS: Encoding = { level: 0, chainBytes: 0 };

/** Appends every chunk that is not zeros; gives the plan that reads the file back. */
export async function appendFile(
  writer: PackWriter,
  packPath: string,
  cut: Cutting,
  { level, chainBytes }: Encoding,
  { packId = 7, volumeId = VOLUME_ID }: Pick<Packing, 'packId' | 'volumeId'> = {},
) {
  const rows = { packs: [] as number[], offsets: [] as number[], stored: [] as number[] };
  for (const batch of cut.batches) {
    const indexes = [...batch.lengths.keys()].filter((i) => batch.zero[i] === 0);
    const chunks = await native.encodeChunks(batch, Uint32Array.from(indexes), level, chainBytes);
    const appended = await writer.append(chunks);
    chunks.release();
    let next = 0;
    for (let i = 0; i < batch.count; i++) {
      const stored = batch.zero[i] === 0;
      rows.packs.push(stored ? 0 : -1);
      rows.offsets.push(stored ? appended.offsets[next] : 0);
      rows.stored.push(stored ? appended.stored[next++] : 0);
    }
  }
  return { ...planOf(packPath, cut.lengths, rows), packIds: [packId], volumeId };
}

function planOf(
  packPath: string,
  lengths: number[],
  rows: { packs: number[]; offsets: number[]; stored: number[] },
): Omit<PackedPlan, 'packIds' | 'volumeId'> {
  return {
    size: lengths.reduce((sum, length) => sum + length, 0),
    lengths: Uint32Array.from(lengths),
    packs: Int32Array.from(rows.packs),
    offsets: Float64Array.from(rows.offsets),
    stored: Uint32Array.from(rows.stored),
    packPaths: [packPath],
  };
}

export interface Packed {
  packPath: string;
  plan: PackedPlan;
  cut: Cutting;
}

export interface Packing {
  level?: number;
  /** Bytes; 0 for chunks that don't depend on each other. */
  chainBytes?: number;
  limits?: Limits;
  seal?: boolean;
  name?: string;
  packId?: number;
  volumeId?: Buffer;
  /** Offsets at which a chunk ends. */
  cuts?: Float64Array;
}

/** Packs `data` into a pack of its own in `directory`. */
export async function packData(directory: string, data: Buffer, packing: Packing = {}) {
  const { level = 0, chainBytes = 0, limits = SMALL, seal = false, name = 'data', cuts } = packing;
  const { packId = 7, volumeId = VOLUME_ID } = packing;
  const cut = await cutFile(storeFile(directory, name, data), limits, undefined, cuts);
  const packPath = join(directory, `${name}.pack`);
  const writer = native.createPackWriter(packPath, packId, volumeId);
  const plan = await appendFile(writer, packPath, cut, { level, chainBytes }, { packId, volumeId });
  await writer.sync();
  if (seal) await writer.seal();
  writer.close();
  for (const batch of cut.batches) batch.release();
  return { packPath, plan, cut } satisfies Packed;
}

/** Writes the plan out as a plain file and returns its bytes. */
export async function hydrated(directory: string, plan: PackedPlan): Promise<Buffer> {
  const path = join(directory, 'hydrated');
  const handle = native.openPlan(plan);
  try {
    await withFile(path, 'w+', (fd) => native.hydrate(handle, fd));
    return readFileSync(path);
  } finally {
    handle.close();
  }
}

/** The same plan over another pack file. */
export function planOver(plan: PackedPlan, packPath: string): PackedPlan {
  return { ...plan, packPaths: [packPath] };
}
