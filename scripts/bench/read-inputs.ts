/** What the benchmark of reading reads: a file of each kind, as it is, as zstd's, and packed on the slowest tier. */
import { copyFile, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeGguf, shapeFor } from '../fixtures/make-gguf.js';
import { must, shell } from '../lib/process.js';
import { writeBf16Model, writeNoise } from './generated.js';
import { openCache } from './pack-downloads.js';
import { expectForm, makeVolume, QUIET, reef, type BenchPlace } from './subjects.js';

const LONG = { timeoutMs: 3_600_000 };
/** What `compress=auto` takes for a tier with `medium=hdd`. */
const LEVEL = '-5';
const SOURCES = ['typescript@5.9.3', 'three@0.171.0'];
const TEXT = /\.(js|ts|mjs|cjs|json|md|glsl)$/;

export const KINDS = ['noise', 'text', 'bf16', 'gguf'] as const;
export type Kind = (typeof KINDS)[number];

export interface Input {
  kind: Kind;
  size: number;
  raw: string;
  packed: string;
  /** The whole file compressed, and each half of it. */
  zstd: string;
  zstdHalves: readonly [string, string];
}

export interface Inputs {
  inputs: readonly Input[];
  /** @throws where a file is not packed any more */
  check(): Promise<void>;
  close(): Promise<void>;
}

type Make = (path: string, size: number, scratch: string) => Promise<unknown>;
const MAKE: Record<Kind, Make> = {
  noise: writeNoise,
  text: writeSources,
  bf16: async (path, size, scratch) => {
    await writeBf16Model(scratch, size);
    await shell('cat "$1"/*.safetensors >"$2"', [scratch, path], LONG);
  },
  gguf: (path, size) => Promise.resolve(makeGguf(path, shapeFor(size), 1)),
};

export async function makeInputs(place: BenchPlace, kinds: readonly Kind[]): Promise<Inputs> {
  let mountpoint: string | undefined;
  const close = async () => {
    if (mountpoint !== undefined) await reef('unmount', mountpoint);
    for (const tier of Object.values(place.tiers)) {
      for (const name of ['raw', 'read'])
        await rm(join(tier, name), { recursive: true, force: true });
    }
    await rm(place.work, { recursive: true, force: true });
  };
  try {
    await mkdir(join(place.tiers.hdd, 'raw'), { recursive: true });
    mountpoint = await makeVolume(place, 'read', QUIET);
    const inputs: Input[] = [];
    for (const kind of kinds) inputs.push(await makeInput(place, mountpoint, kind));
    const check = async () => {
      for (const { packed } of inputs) await expectForm(packed, 'packed');
    };
    await check();
    return { inputs, check, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The raw file lies on the tier of the packs: what is slow for one is slow for the other. */
async function makeInput(place: BenchPlace, mountpoint: string, kind: Kind): Promise<Input> {
  const raw = join(place.tiers.hdd, 'raw', kind);
  const scratch = join(place.work, 'scratch');
  await mkdir(scratch);
  await MAKE[kind](raw, place.size, scratch);
  await rm(scratch, { recursive: true });
  const { size } = await stat(raw);
  const packed = join(mountpoint, kind);
  await copyFile(raw, packed);
  await reef('demote', packed, '--to', 'hdd', '--wait');
  const zstd = join(place.work, `${kind}.zst`);
  const halves = [`${zstd}.1`, `${zstd}.2`] as const;
  if (kind === 'text' || kind === 'bf16') await compress(raw, size, zstd, halves);
  return { kind, size, raw, packed, zstd, zstdHalves: halves };
}

async function compress(raw: string, size: number, whole: string, halves: readonly string[]) {
  await must('zstd', ['-q', LEVEL, raw, '-o', whole], LONG);
  const half = String(Math.ceil(size / 2));
  await shell(`head -c "$2" "$1" | zstd -q ${LEVEL} >"$3"`, [raw, half, halves[0]], LONG);
  await shell(`tail -c "+$(($2 + 1))" "$1" | zstd -q ${LEVEL} >"$3"`, [raw, half, halves[1]], LONG);
}

/**
 * Source files of packages, one after the other, until there is enough. When they come again a letter is another one,
 * so that no chunk does.
 */
async function writeSources(path: string, size: number, scratch: string): Promise<void> {
  const cache = openCache('/var/tmp/coral-reef-bench-packages');
  for (const spec of SOURCES) await cache.npm(spec, join(scratch, spec));
  const entries = await readdir(scratch, { recursive: true });
  const names = entries.filter((name) => TEXT.test(name)).sort();
  const file = await open(path, 'w');
  let left = size;
  for (let i = 0; left > 0; i++) {
    const text = await readFile(join(scratch, names[i % names.length]), 'latin1');
    const letter = String.fromCharCode(0x65 + 0x40 * Math.floor(i / names.length));
    const bytes = Buffer.from(text.replaceAll('e', letter), 'latin1').subarray(0, left);
    await file.write(bytes);
    left -= bytes.length;
  }
  await file.sync();
  await file.close();
}
