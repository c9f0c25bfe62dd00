/**
 * The chunk index of a large volume: how fast chunks are found and noted, and how much memory that takes, with
 * the database cached and not. The chunks are generated; no data is packed.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { SEGMENT_CHUNKS } from '../../src/content/limits.js';
import { must } from '../lib/process.js';
import {
  CHUNK_BYTES,
  createIndexVolume,
  databaseOf,
  fill,
  openIndexVolume,
} from './index-volume.js';
import type { Measured, Work } from './index-measure.js';
import { machine, median, toMarkdown } from './report.js';
import { seconds } from './workers.js';

const HELP = `usage: scripts/bench/index [--chunks N] [--seconds N] [--repeats N] [--work DIR] [--keep | --of DIR]

  --chunks N   chunks in the index, 16,000,000 by default: 1 TiB of data
  --seconds N  how long each figure is measured, 5 by default
  --repeats N  samples of each figure, 3 by default; the median is printed
  --work DIR   everything is made below (/var/tmp), some 3 GB
  --keep       leaves the volume there and says where
  --of DIR     measures a volume that was kept, with the same --chunks
`;

const child = fileURLToPath(new URL('./index-measure.js', import.meta.url));
const LONG = { timeoutMs: 3_600_000 };
const WORKS: readonly Work[] = ['new', 'random', 'in order', 'insert'];
const CACHES = ['cold', 'warm'] as const;
type Cache = (typeof CACHES)[number];

async function prepare(database: string, cache: Cache): Promise<void> {
  // What is not on disk can't leave the cache.
  await must('sync', ['-f', database], LONG);
  if (cache === 'warm') await must('dd', [`if=${database}`, 'of=/dev/null', 'bs=1M'], LONG);
  else await must('dd', [`if=${database}`, 'iflag=nocache', 'count=0'], LONG);
}

async function generate(base: string, chunks: number): Promise<void> {
  await createIndexVolume(base);
  const volume = await openIndexVolume(base);
  const elapsed = await seconds(() => fill(volume, chunks));
  await volume.store.close();
  const { size } = await stat(databaseOf(base));
  const rate = Math.round(chunks / elapsed);
  console.log(
    `${chunks} chunks, ${Math.round(size / 2 ** 20)} MiB, filled at ${rate} chunks per second`,
  );
}

async function measureAll(base: string, chunks: number, repeats: number, milliseconds: number) {
  const samples = new Map<string, Measured[]>();
  for (let i = 0; i < repeats; i++) {
    for (const work of WORKS) {
      for (const cache of CACHES) {
        await prepare(databaseOf(base), cache);
        const args = [child, base, String(chunks), work, String(milliseconds)];
        const measured = JSON.parse(await must(process.execPath, args, LONG)) as Measured;
        const key = `${work}/${cache}`;
        samples.set(key, [...(samples.get(key) ?? []), measured]);
      }
    }
  }
  return samples;
}

function table(samples: Map<string, Measured[]>): string {
  const header = ['look-up', 'cache', '1/s', 'MB/s at 64 KiB', 'CPU us', 'longest 1024, ms'];
  const lines = [...samples].map(([key, all]) => {
    const of = (name: keyof Measured): number => median(all.map((one) => one[name]));
    const figures = [of('perSecond'), (of('perSecond') * CHUNK_BYTES) / 1e6];
    const times = [of('cpuMicroseconds'), of('longestMs'), of('openSeconds')];
    const memory = [of('resident'), of('anonymous'), of('resident') - of('anonymous')];
    return [
      ...key.split('/'),
      ...figures.map((value) => value.toFixed(0)),
      ...times.map((value) => value.toFixed(2)),
      ...memory.map((value) => value.toFixed(0)),
    ];
  });
  return toMarkdown([...header, 'open, s', 'resident, MiB', 'anonymous', 'mapped'], lines);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      chunks: { type: 'string', default: '16000000' },
      seconds: { type: 'string', default: '5' },
      repeats: { type: 'string', default: '3' },
      work: { type: 'string', default: '/var/tmp' },
      keep: { type: 'boolean', default: false },
      of: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const chunks = Math.ceil(Number(values.chunks) / SEGMENT_CHUNKS) * SEGMENT_CHUNKS;
  const base = values.of ?? (await mkdtemp(join(values.work, 'coral-reef-bench-')));
  try {
    console.log(JSON.stringify(machine()));
    if (values.of === undefined) await generate(base, chunks);
    const milliseconds = Number(values.seconds) * 1000;
    console.log(table(await measureAll(base, chunks, Number(values.repeats), milliseconds)));
    if (values.keep) console.log(`kept in ${base}`);
  } finally {
    if (!values.keep && values.of === undefined) await rm(base, { recursive: true, force: true });
  }
}

await main();
