/**
 * How fast folders move between tiers, beside what movers of other systems do: rsync, and cp. Each repeat goes the whole
 * way; the others go it between two folders on the same filesystems.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { must, shell } from '../lib/process.js';
import { writeNoise } from './generated.js';
import { bytesOf, COMMON_OPTIONS } from './options.js';
import { openCache } from './pack-downloads.js';
import { bytesOfFiles, compare, dropCaches } from './pack-files.js';
import { machine, toJson, toTable, type Row } from './report.js';
import { makeVolume, QUIET, reef, type BenchPlace } from './subjects.js';
import { seconds } from './workers.js';

const HELP = `usage: scripts/bench/moves [--size GIB] [--repeats N] [--lab DIR | --work DIR] [--only TEXT] [--json]

  --size GIB   size of the large file, 1 by default
  --repeats N  samples of each figure, 3 by default; the median is printed
  --lab DIR    use the throttled tiers that scripts/bench/lab set up in DIR
  --work DIR   make three tiers on the filesystem of DIR (/var/tmp); the cache of packages stays there
  --only TEXT  only inputs whose name contains TEXT, of source, large
  --json       one JSON document with every sample
`;

const LONG = { timeoutMs: 3_600_000 };
const SUBJECTS = ['raw', 'rsync', 'coral-reef'] as const;
type Subject = (typeof SUBJECTS)[number];

const RULES = `rules:
  - match: { path: "plain/**" }
    place: { cold: hdd, pack: never, demote: auto }
  - match: { path: "packed/**" }
    place: { cold: hdd, pack: auto, demote: auto }
`;

/** One way, and who goes it how. */
interface Step {
  name: string;
  go: Partial<Record<Subject, () => Promise<unknown>>>;
}

interface Input {
  name: string;
  make(folder: string): Promise<unknown>;
}

interface Places {
  mountpoint: string;
  nvme: string;
  hdd: string;
}

/** It is there when it is on the medium; then the source goes. */
const byCopying = (from: string, to: string) =>
  shell('cp -a "$1" "$2" && sync -f "$2" && rm -r "$1"', [from, to], LONG);

const byRsync = (from: string, to: string) =>
  shell('rsync -a --remove-source-files "$1" "$2" && sync -f "$2"', [from, to], LONG);

function stepsOf(name: string, { mountpoint, nvme, hdd }: Places): Step[] {
  const plain = join(mountpoint, 'plain', name);
  const packed = join(mountpoint, 'packed', name);
  const between = (by: typeof byCopying, who: string) => ({
    down: () => by(join(nvme, who, name), join(hdd, who)),
    up: () => by(join(hdd, who, name), join(nvme, who)),
  });
  const [raw, rsync] = [between(byCopying, 'raw'), between(byRsync, 'rsync')];
  const demote = (path: string) => () => reef('demote', path, '--to', 'hdd', '--wait');
  const promote = (path: string) => () => reef('promote', path, '--to', 'nvme', '--wait');
  return [
    { name: 'down', go: { raw: raw.down, rsync: rsync.down, 'coral-reef': demote(plain) } },
    { name: 'up', go: { raw: raw.up, rsync: rsync.up, 'coral-reef': promote(plain) } },
    { name: 'down, packed', go: { 'coral-reef': demote(packed) } },
    { name: 'up, of packed', go: { 'coral-reef': promote(packed) } },
    { name: 'down, packed before', go: { 'coral-reef': demote(packed) } },
  ];
}

/** Files of one input, put where everybody begins; what was there goes. */
async function begin(input: string, name: string, places: Places): Promise<void> {
  const { mountpoint, nvme, hdd } = places;
  for (const top of [mountpoint, nvme, hdd]) {
    for (const who of ['plain', 'packed', 'raw', 'rsync']) {
      await rm(join(top, who, name), { recursive: true, force: true });
    }
  }
  await reef('gc', mountpoint);
  const starts = [
    join(mountpoint, 'plain'),
    join(mountpoint, 'packed'),
    join(nvme, 'raw'),
    join(nvme, 'rsync'),
  ];
  for (const start of [...starts, join(hdd, 'raw'), join(hdd, 'rsync')]) {
    await mkdir(start, { recursive: true });
  }
  for (const start of starts) await must('cp', ['-a', input, start], LONG);
  await must('sync', [], LONG);
}

async function measure(
  input: string,
  name: string,
  places: Places,
  rows: readonly Row[],
  repeat: number,
): Promise<void> {
  await begin(input, name, places);
  const megabytes = (await bytesOfFiles(input)) / 1e6;
  for (const [i, { go }] of stepsOf(name, places).entries()) {
    const subjects = SUBJECTS.filter((subject) => go[subject] !== undefined);
    const first = repeat % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      await dropCaches();
      const elapsed = await seconds(async () => {
        await go[subject]!();
        await must('sync', [], LONG);
      });
      (rows[i].samples[subject] ??= []).push(megabytes / elapsed);
    }
  }
  for (const top of ['plain', 'packed']) await compare(input, join(places.mountpoint, top, name));
}

function rowsOf(name: string, places: Places): Row[] {
  return stepsOf(name, places).map((step) => ({
    labels: { input: name, move: step.name, unit: 'MB/s' },
    samples: {},
  }));
}

/** As a benchmark of metadata and packing does: the same trees of sources. */
function inputsOf(cacheFolder: string, size: number): Input[] {
  const cache = openCache(cacheFolder);
  return [
    {
      name: 'source',
      make: async (folder) => {
        for (const spec of ['typescript@5.9.3', 'three@0.171.0']) {
          await cache.npm(spec, join(folder, spec));
        }
      },
    },
    { name: 'large', make: (folder) => writeNoise(join(folder, 'noise.bin'), size) },
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...COMMON_OPTIONS,
      size: { type: 'string', default: '1' },
      lab: { type: 'string' },
    },
  });
  if (values.help) return console.log(HELP);
  const [size, repeats] = [bytesOf(values.size), Number(values.repeats)];
  const work = await mkdtemp(join(values.work, 'coral-reef-moves-'));
  const root = values.lab ?? work;
  const tiers = { nvme: join(root, 'nvme'), ssd: join(root, 'ssd'), hdd: join(root, 'hdd') };
  const all = inputsOf(join(values.work, 'coral-reef-bench-packages'), size);
  const place = { work, tiers, size };
  const rows: Row[] = [];
  const mounts: string[] = [];
  try {
    const mountpoint = await mountIn(place);
    mounts.push(mountpoint);
    const places = { mountpoint, nvme: join(tiers.nvme, 'others'), hdd: join(tiers.hdd, 'others') };
    for (const { name, make } of all.filter((input) => input.name.includes(values.only))) {
      const input = join(work, name);
      await mkdir(input);
      await make(input);
      const own = rowsOf(name, places);
      for (let repeat = 0; repeat < repeats; repeat++) {
        await measure(input, name, places, own, repeat);
      }
      rows.push(...own);
    }
  } finally {
    for (const mountpoint of mounts) await reef('unmount', mountpoint);
    for (const tier of Object.values(tiers)) {
      for (const name of ['moves', 'others']) {
        await rm(join(tier, name), { recursive: true, force: true });
      }
    }
    await rm(work, { recursive: true, force: true });
  }
  const settings = { largeBytes: size, repeats, lab: values.lab ?? null };
  if (values.json) return console.log(toJson(rows, settings));
  console.log(`${JSON.stringify(machine())}\n${JSON.stringify(settings)}\n`);
  console.log(toTable(rows, SUBJECTS));
}

async function mountIn(place: BenchPlace): Promise<string> {
  const config = join(place.work, 'rules.yaml');
  await writeFile(config, RULES);
  return makeVolume(place, 'moves', `${QUIET},config=${config}`);
}

await main();
