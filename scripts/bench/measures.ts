/** What is measured on one file, and the state of the caches before it. Everything reads through fio or
 * a mapping, as programs do; results are MiB/s or operations per second. */
import { writeFile } from 'node:fs/promises';
import { must, shell } from '../lib/process.js';

/**
 * cold: nothing cached. backing: what the mount had the kernel cache is dropped, the files under it are
 * cached. warm: everything cached.
 */
export type CacheState = 'cold' | 'backing' | 'warm';

export interface Measure {
  name: string;
  unit: 'MiB/s' | 'IOPS';
  cache: CacheState;
  /** Needs a file that may be written. */
  writes: boolean;
  run(path: string): Promise<number>;
}

interface FioJob {
  bw_bytes: number;
  iops: number;
  clat_ns: { percentile?: Record<string, number> };
}

const MiB = 1 << 20;
const LONG = { timeoutMs: 1_800_000 };
const COLD_RANDOM_BYTES = 32 * MiB;
const WARM_RANDOM_SECONDS = 3;

export async function fio(
  path: string,
  direction: 'read' | 'write',
  flags: string[],
): Promise<FioJob> {
  const output = await must(
    'fio',
    [
      '--name=load',
      `--filename=${path}`,
      '--output-format=json',
      '--invalidate=0',
      '--thread',
      '--group_reporting',
      ...flags,
    ],
    LONG,
  );
  const report = JSON.parse(output.slice(output.indexOf('{'))) as {
    jobs: Record<'read' | 'write', FioJob>[];
  };
  return report.jobs[0][direction];
}

export const sequential = async (path: string, engine: 'psync' | 'mmap') => {
  const job = await fio(path, 'read', ['--rw=read', '--bs=1M', `--ioengine=${engine}`]);
  return job.bw_bytes / MiB;
};

/**
 * `depth` threads each with one request: what the kernel sees is a queue of that depth. Cold, the number of
 * requests is fixed and small against the file, so that it stays cold; warm, the time is.
 */
const random = (depth: number, cache: CacheState) => async (path: string) => {
  const bound =
    cache === 'cold'
      ? [`--io_size=${String(COLD_RANDOM_BYTES / depth)}`]
      : ['--time_based', `--runtime=${String(WARM_RANDOM_SECONDS)}`];
  const job = await fio(path, 'read', [
    '--rw=randread',
    '--bs=4k',
    '--ioengine=psync',
    `--numjobs=${String(depth)}`,
    '--norandommap',
    '--randrepeat=1',
    ...bound,
  ]);
  return job.iops;
};

/** Writes a new file of the size of the one at `path` beside it, fsyncs, removes it. */
const write = async (path: string) => {
  const target = `${path}.written`;
  const size = (await must('stat', ['-c', '%s', path])).trim();
  const flags = ['--rw=write', '--bs=1M', '--ioengine=psync', '--end_fsync=1', `--size=${size}`];
  const job = await fio(target, 'write', flags);
  await must('rm', [target]);
  return job.bw_bytes / MiB;
};

/** Copies a mapping out in order, 1 MiB at a time: a model loader without advice. */
const MAPPED_LOOP = `
import mmap, sys, time
with open(sys.argv[1], 'rb') as file:
    start = time.monotonic()
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for at in range(0, len(view), 1 << 20):
        view[at:at + (1 << 20)]
    print(len(view) / (1 << 20) / (time.monotonic() - start))
`;

const mappedLoop = async (path: string) =>
  Number(await must('python3', ['-c', MAPPED_LOOP, path], LONG));

function readMeasure(name: string, run: Measure['run']): Measure[] {
  const caches: CacheState[] = ['cold', 'backing', 'warm'];
  return caches.map((cache) => ({ name, unit: 'MiB/s', cache, writes: false, run }));
}

const RANDOM: [number, CacheState][] = [
  [1, 'cold'],
  [1, 'warm'],
  [32, 'cold'],
  [32, 'warm'],
];

export const MEASURES: readonly Measure[] = [
  ...readMeasure('sequential read', (path) => sequential(path, 'psync')),
  ...readMeasure('mmap, fio', (path) => sequential(path, 'mmap')),
  ...readMeasure('mmap, copied in order', mappedLoop),
  ...RANDOM.map(([depth, cache]) => ({
    name: `4 KiB random read, QD ${String(depth)}`,
    unit: 'IOPS' as const,
    cache,
    writes: false,
    run: random(depth, cache),
  })),
  { name: 'sequential write, fsync', unit: 'MiB/s', cache: 'warm', writes: true, run: write },
];

const READ_ONCE = 'cat "$1" >/dev/null';
const FORGET =
  'import os,sys; fd=os.open(sys.argv[1], os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)';

/** Writes out what is dirty and brings the caches of one file into the measure's state. Needs root. */
export async function prepareCache(
  measure: Pick<Measure, 'cache' | 'writes'>,
  path: string,
): Promise<void> {
  const state = measure.cache;
  await shell('sync');
  if (measure.writes) return;
  if (state === 'cold') {
    await writeFile('/proc/sys/vm/drop_caches', '3');
    return;
  }
  await shell(READ_ONCE, [path], LONG);
  if (state === 'backing') await must('python3', ['-c', FORGET, path]);
}
