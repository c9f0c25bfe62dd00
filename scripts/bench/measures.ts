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
}

const MiB = 1 << 20;
const LONG = { timeoutMs: 1_800_000 };
const RANDOM_SECONDS = 5;

async function fio(path: string, direction: 'read' | 'write', flags: string[]): Promise<FioJob> {
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

const sequential = async (path: string, engine: 'psync' | 'mmap') => {
  const job = await fio(path, 'read', ['--rw=read', '--bs=1M', `--ioengine=${engine}`]);
  return job.bw_bytes / MiB;
};

/** `depth` threads each with one request: what the kernel sees is a queue of that depth. */
const random = async (path: string, depth: number) => {
  const job = await fio(path, 'read', [
    '--rw=randread',
    '--bs=4k',
    '--ioengine=psync',
    `--numjobs=${String(depth)}`,
    '--time_based',
    `--runtime=${String(RANDOM_SECONDS)}`,
    '--norandommap',
    '--randrepeat=1',
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

function readMeasure(
  name: string,
  unit: Measure['unit'],
  caches: CacheState[],
  run: Measure['run'],
): Measure[] {
  return caches.map((cache) => ({ name, unit, cache, writes: false, run }));
}

export const MEASURES: readonly Measure[] = [
  ...readMeasure('sequential read', 'MiB/s', ['cold', 'backing', 'warm'], (path) =>
    sequential(path, 'psync'),
  ),
  ...readMeasure('mmap, fio', 'MiB/s', ['cold', 'backing', 'warm'], (path) =>
    sequential(path, 'mmap'),
  ),
  ...readMeasure('mmap, copied in order', 'MiB/s', ['cold', 'backing', 'warm'], mappedLoop),
  ...readMeasure('4 KiB random read, QD 1', 'IOPS', ['cold', 'warm'], (path) => random(path, 1)),
  ...readMeasure('4 KiB random read, QD 32', 'IOPS', ['cold', 'warm'], (path) => random(path, 32)),
  { name: 'sequential write, fsync', unit: 'MiB/s', cache: 'warm', writes: true, run: write },
];

const READ_ONCE = 'cat "$1" >/dev/null';
const FORGET =
  'import os,sys; fd=os.open(sys.argv[1], os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)';

/** Brings the caches of one file into the state. Needs root. */
export async function prepareCache(state: CacheState, path: string): Promise<void> {
  if (state === 'cold') {
    await shell('sync');
    await writeFile('/proc/sys/vm/drop_caches', '3');
    return;
  }
  await shell(READ_ONCE, [path], LONG);
  if (state === 'backing') await must('python3', ['-c', FORGET, path]);
}
