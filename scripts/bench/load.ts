/**
 * How fast a large file is loaded: raw, plain, plain without passthrough, and packed, side by side in one
 * run. Repeats are interleaved, so that a machine that gets slower meanwhile is slower for all.
 */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MEASURES, prepareCache, type Measure } from './measures.js';
import { bytesOf, COMMON_OPTIONS, type CommonOptions } from './options.js';
import { machine, toJson, toTable, type Row } from './report.js';
import { openBench, type Bench, type BenchPlace, type Subject } from './subjects.js';

const HELP = `usage: scripts/bench/load [--size GIB] [--repeats N] [--lab DIR | --work DIR] [--only TEXT] [--json]

  --size GIB   size of the file, 2 by default
  --repeats N  samples of each figure, 3 by default; the median is printed
  --lab DIR    use the throttled tiers that scripts/bench/lab set up in DIR
  --work DIR   make three tiers on the filesystem of DIR (/var/tmp)
  --only TEXT  only measures whose name contains TEXT
  --json       one JSON document with every sample
`;

interface Options extends CommonOptions {
  size: number;
  lab: string | undefined;
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      ...COMMON_OPTIONS,
      size: { type: 'string', default: '2' },
      lab: { type: 'string' },
    },
  });
  if (values.help) return null;
  const size = bytesOf(values.size);
  return { ...values, lab: values.lab, size, repeats: Number(values.repeats) };
}

async function placeFor(options: Options): Promise<BenchPlace> {
  const work = await mkdtemp(join(options.work, 'coral-reef-bench-'));
  const root = options.lab ?? work;
  const tiers = { nvme: join(root, 'nvme'), ssd: join(root, 'ssd'), hdd: join(root, 'hdd') };
  return { work, tiers, size: options.size };
}

/** Which subjects a measure makes sense for. `backing` is about caches above the backing files. */
function applies(measure: Measure, subject: Subject): boolean {
  if (measure.writes) return subject.mayWrite;
  if (measure.cache !== 'backing') return true;
  return subject.name === 'packed' || subject.name === 'passthrough=off';
}

/** One sample of everything. Who goes first changes with each repeat. */
async function sample(rows: Map<Measure, Row>, bench: Bench, repeat: number): Promise<void> {
  for (const [measure, row] of rows) {
    const subjects = bench.subjects.filter((candidate) => applies(measure, candidate));
    const first = repeat % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      await prepareCache(measure, subject.path);
      (row.samples[subject.name] ??= []).push(await measure.run(subject.path));
      progress('.');
    }
  }
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(text);
}

/** Raw with everything cached is what `backing` is compared with: both read memory, not a medium. */
function lendRawFigures(rows: Row[]): void {
  for (const row of rows.filter(({ labels }) => labels.cache === 'backing')) {
    const { measure } = row.labels;
    const warm = rows.find(({ labels }) => labels.measure === measure && labels.cache === 'warm');
    const raw = warm?.samples['raw'];
    if (raw !== undefined) row.samples = { raw, ...row.samples };
  }
}

async function measureAll(options: Options): Promise<Row[]> {
  const bench = await openBench(await placeFor(options));
  const chosen = MEASURES.filter((measure) => measure.name.includes(options.only));
  const rows = new Map<Measure, Row>();
  for (const measure of chosen) {
    const { name, cache, unit } = measure;
    rows.set(measure, { labels: { measure: name, cache, unit }, samples: {} });
  }
  try {
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      await sample(rows, bench, repeat);
    }
    await bench.check();
  } finally {
    await bench.close();
  }
  lendRawFigures([...rows.values()]);
  return [...rows.values()];
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) {
    console.log(HELP);
    return;
  }
  const rows = await measureAll(options);
  const settings = { sizeBytes: options.size, repeats: options.repeats, lab: options.lab ?? null };
  if (options.json) {
    console.log(toJson(rows, settings));
    return;
  }
  console.log(`\n${JSON.stringify(machine())}\n${JSON.stringify(settings)}\n`);
  console.log(toTable(rows, ['raw', 'plain', 'passthrough=off', 'packed']));
}

await main();
