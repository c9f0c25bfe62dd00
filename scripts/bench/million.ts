/**
 * A volume with very many files: how long it takes to mount, how fast `find` walks it, how much memory
 * the daemon takes. The files are empty: neither depends on what is in them.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { must } from '../lib/process.js';
import { coralReef } from './metadata-subjects.js';
import { machine, median } from './report.js';
import { forget, makeDirectories, measure, seconds } from './workers.js';

const HELP = `usage: scripts/bench/million [--files N] [--repeats N] [--work DIR]

  --files N    files, 1,000,000 by default
  --repeats N  samples of each figure, 3 by default; the median is printed
  --work DIR   everything is made below (/var/tmp)
`;

const program = fileURLToPath(new URL('../../../bin/coral-reef', import.meta.url));
const FILES_PER_DIRECTORY = 1000;
const LONG = { timeoutMs: 3_600_000 };

interface Figures {
  mountSeconds: number;
  /** Of the daemon: right after the mount, and after the walks. */
  mountedMiB: number;
  walkedMiB: number;
  coldPerSecond: number;
  warmPerSecond: number;
}

async function residentMiB(mountpoint: string): Promise<number> {
  const { pid } = JSON.parse(await must(program, ['status', mountpoint, '--json'])) as {
    pid: number;
  };
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Entries per second. */
async function walk(mountpoint: string): Promise<number> {
  let entries = 0;
  const elapsed = await seconds(async () => {
    entries = (await must('find', [mountpoint, '-printf', '.'], LONG)).length;
  });
  return entries / elapsed;
}

async function sample(volume: string, mountpoint: string): Promise<Figures> {
  await forget();
  const mountSeconds = await seconds(() => must(program, ['mount', volume, mountpoint], LONG));
  const mountedMiB = await residentMiB(mountpoint);
  const coldPerSecond = await walk(mountpoint);
  const warmPerSecond = await walk(mountpoint);
  const walkedMiB = await residentMiB(mountpoint);
  await must(program, ['unmount', mountpoint], LONG);
  return { mountSeconds, mountedMiB, walkedMiB, coldPerSecond, warmPerSecond };
}

async function fill(mountpoint: string, files: number): Promise<number> {
  const directories = Math.ceil(files / FILES_PER_DIRECTORY);
  const tree = join(mountpoint, 'tree');
  await makeDirectories(tree, directories);
  const share = { directories, files: FILES_PER_DIRECTORY, processes: 2 };
  return measure('mknod', tree, share);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', default: '1000000' },
      repeats: { type: 'string', default: '3' },
      work: { type: 'string', default: '/var/tmp' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const base = await mkdtemp(join(values.work, 'coral-reef-bench-'));
  try {
    const { volume, mountpoint } = await coralReef(base, []);
    console.log(JSON.stringify(machine()));
    console.log(`created ${Math.round(await fill(mountpoint, Number(values.files)))} files/s`);
    await must(program, ['unmount', mountpoint], LONG);
    const samples: Figures[] = [];
    for (let i = 0; i < Number(values.repeats); i++) samples.push(await sample(volume, mountpoint));
    for (const key of Object.keys(samples[0]) as (keyof Figures)[]) {
      console.log(`${key.padEnd(14)} ${median(samples.map((one) => one[key])).toFixed(2)}`);
    }
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

await main();
