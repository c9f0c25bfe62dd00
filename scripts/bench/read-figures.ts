/** What the benchmark of reading measures, and what each figure is compared with in the same run. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, shell } from '../lib/process.js';
import { fio, prepareCache, sequential, type CacheState } from './measures.js';
import type { Input, Kind } from './read-inputs.js';

export type Column = 'raw' | 'zstd -d' | 'zstd -d, two' | 'packed';

export interface Figure {
  name: string;
  kinds: readonly Kind[];
  cache: CacheState;
  unit: 'MB/s' | 'us';
  columns: Partial<Record<Column, (input: Input) => Promise<number>>>;
}

const MB = 1e6;
const MiB = 1 << 20;
const LONG = { timeoutMs: 1_800_000 };
const RANDOM_READS = 4096;
const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const LLAMA = join(checkout, '.cache/llama/node_modules/node-llama-cpp/dist/index.js');
const LOADER = fileURLToPath(new URL('llama-load.js', import.meta.url));

const inOrder = (engine: 'psync' | 'mmap') => async (path: string) =>
  ((await sequential(path, engine)) * MiB) / MB;

async function load(path: string, size: number): Promise<number> {
  const env = { ...process.env, NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true' };
  return size / MB / Number(await must('node', [LOADER, LLAMA, path], { env, ...LONG }));
}

/** The median time of a read of 4 KiB, one at a time, each somewhere else. */
async function random(path: string): Promise<number> {
  const flags = ['--rw=randread', '--bs=4k', '--ioengine=psync', '--norandommap'];
  const job = await fio(path, 'read', [...flags, `--io_size=${4096 * RANDOM_READS}`]);
  return (job.clat_ns.percentile?.['50.000000'] ?? NaN) / 1000;
}

/** `zstd -d` to nowhere: each file has a process of its own. */
async function decompress(size: number, files: readonly string[]): Promise<number> {
  const script = 'for f; do zstd -dqc "$f" >/dev/null & done; wait';
  await shell('cat "$@" >/dev/null', [...files]);
  const start = performance.now();
  await shell(script, [...files], LONG);
  return size / MB / ((performance.now() - start) / 1000);
}

type Read = (path: string, size: number) => Promise<number>;

/** Raw and packed, with caches in that state; raw is read from memory where packs are. */
function compared(cache: CacheState, read: Read): Figure['columns'] {
  const prepared = (state: CacheState, path: string, size: number) =>
    prepareCache({ cache: state, writes: false }, path).then(() => read(path, size));
  return {
    raw: ({ raw, size }) => prepared(cache === 'backing' ? 'warm' : cache, raw, size),
    packed: ({ packed, size }) => prepared(cache, packed, size),
  };
}

const zstd: Figure['columns'] = {
  'zstd -d': ({ size, zstd: file }) => decompress(size, [file]),
  'zstd -d, two': ({ size, zstdHalves }) => decompress(size, zstdHalves),
};

export const FIGURES: readonly Figure[] = [
  {
    name: 'load by llama.cpp',
    kinds: ['gguf'],
    cache: 'backing',
    unit: 'MB/s',
    columns: compared('backing', load),
  },
  {
    name: 'mmap, fio',
    kinds: ['noise', 'text', 'bf16'],
    cache: 'backing',
    unit: 'MB/s',
    columns: compared('backing', inOrder('mmap')),
  },
  {
    name: 'sequential read',
    kinds: ['noise'],
    cache: 'backing',
    unit: 'MB/s',
    columns: compared('backing', inOrder('psync')),
  },
  {
    name: 'sequential read',
    kinds: ['text', 'bf16'],
    cache: 'backing',
    unit: 'MB/s',
    columns: { ...compared('backing', inOrder('psync')), ...zstd },
  },
  {
    name: 'random read, 4 KiB',
    kinds: ['noise', 'text', 'bf16'],
    cache: 'backing',
    unit: 'us',
    columns: compared('backing', random),
  },
  {
    name: 'sequential read',
    kinds: ['noise', 'text', 'bf16'],
    cache: 'cold',
    unit: 'MB/s',
    columns: compared('cold', inOrder('psync')),
  },
];
