/**
 * How fast many small files are made, looked at and removed: raw, Coral Reef, and what people use today,
 * side by side in one run. Repeats are interleaved, and another one goes first in each.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { must } from '../lib/process.js';
import { COMMON_OPTIONS, type CommonOptions } from './options.js';
import { openSubject, SUBJECTS, type Subject, type SubjectName } from './metadata-subjects.js';
import { machine, toJson, toTable, type Row } from './report.js';
import { forget, makeDirectories, measure, seconds } from './workers.js';

const HELP = `usage: scripts/bench/metadata [--files N] [--list N] [--processes N,...] [--repeats N]
                              [--subjects NAME,...] [--only TEXT] [--work DIR] [--json]

  --files N        small files of the tree, 10,000 by default
  --list N         entries of the large directory, 100,000 by default
  --processes N,.. how many at a time, 1,4,16 by default
  --repeats N      samples of each figure, 3 by default; the median is printed
  --subjects ...   of ${SUBJECTS.join(', ')}
  --only PART      tree, list or unpack
  --work DIR       everything is made below (/var/tmp)
  --json           one JSON document with every sample
`;

const sourceTree = fileURLToPath(
  new URL('../../../node_modules/@typescript-eslint', import.meta.url),
);
const FILES_PER_DIRECTORY = 100;
const LARGE = 'large/d0000';
const LONG = { timeoutMs: 3_600_000 };

interface Options extends CommonOptions {
  files: number;
  list: number;
  processes: number[];
  subjects: SubjectName[];
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      ...COMMON_OPTIONS,
      files: { type: 'string', default: '10000' },
      list: { type: 'string', default: '100000' },
      processes: { type: 'string', default: '1,4,16' },
      subjects: { type: 'string', default: SUBJECTS.join(',') },
    },
  });
  if (values.help) return null;
  return {
    ...values,
    files: Number(values.files),
    list: Number(values.list),
    processes: values.processes.split(',').map(Number),
    repeats: Number(values.repeats),
    subjects: values.subjects.split(',') as SubjectName[],
  };
}

/** Operations per second by row name. */
type Sample = Record<string, number>;

/** The life of a tree of small files. */
async function liveOfTree(subject: Subject, options: Options, processes: number): Promise<Sample> {
  const directories = Math.ceil(options.files / FILES_PER_DIRECTORY);
  const tree = join(subject.root, 'tree');
  const share = { directories, files: FILES_PER_DIRECTORY, processes };
  const sample: Sample = {};
  await makeDirectories(tree, directories);
  sample['create'] = await measure('create', tree, share);
  await rm(tree, { recursive: true });
  await makeDirectories(tree, directories);
  sample['write 4 KiB, close'] = await measure('write', tree, share);
  await forget();
  sample['stat, cold'] = await measure('stat', tree, share);
  sample['open, close'] = await measure('open', tree, share);
  sample['rename'] = await measure('rename', tree, share);
  sample['unlink'] = await measure('unlink', tree, share);
  await rm(tree, { recursive: true });
  return sample;
}

async function listLarge(subject: Subject, processes: number): Promise<Sample> {
  await forget();
  const share = { directories: 1, files: 1, processes };
  return { 'list with attributes': await measure('list', join(subject.root, LARGE), share) };
}

/** Each process unpacks and removes a copy of its own; the rate is that of all together. */
async function unpack(subject: Subject, archive: Archive, processes: number): Promise<Sample> {
  const copies = Array.from({ length: processes }, (_, i) => join(subject.root, `copy${i}`));
  const entries = archive.entries * processes;
  for (const copy of copies) await mkdir(copy);
  const untar = await seconds(() =>
    Promise.all(copies.map((copy) => must('tar', ['-xf', archive.path, '-C', copy], LONG))),
  );
  const remove = await seconds(() =>
    Promise.all(copies.map((copy) => must('rm', ['-r', copy], LONG))),
  );
  return { untar: entries / untar, 'rm -r': entries / remove };
}

async function makeLarge(subject: Subject, files: number): Promise<void> {
  await makeDirectories(join(subject.root, 'large'), 1);
  await measure('create', join(subject.root, 'large'), { directories: 1, files, processes: 1 });
}

interface Archive {
  path: string;
  entries: number;
}

async function makeArchive(work: string): Promise<Archive> {
  const path = join(work, 'source.tar');
  const listed = await must('tar', ['-cvf', path, '-C', dirname(sourceTree), basename(sourceTree)]);
  return { path, entries: listed.trim().split('\n').length };
}

class Results {
  private readonly rows = new Map<string, Row>();

  add(sample: Sample, processes: number, subject: SubjectName): void {
    for (const [operation, rate] of Object.entries(sample)) {
      const labels = { operation, processes: String(processes), unit: '1/s' };
      const key = `${operation}, ${processes}`;
      const row: Row = this.rows.get(key) ?? { labels, samples: {} };
      this.rows.set(key, row);
      (row.samples[subject] ??= []).push(rate);
    }
  }

  /** By operation, then by number of processes. */
  all(): Row[] {
    const rows = [...this.rows.values()];
    const order = [...new Set(rows.map((row) => row.labels.operation))];
    const at = (row: Row) => order.indexOf(row.labels.operation);
    return rows.sort((a, b) => at(a) - at(b));
  }
}

const PARTS = ['tree', 'list', 'unpack'] as const;

/** One sample of everything. Who goes first changes with each repeat. */
async function sampleAll(bench: Bench, options: Options, repeat: number): Promise<void> {
  const { subjects, archive, results } = bench;
  const first = repeat % subjects.length;
  const ordered = [...subjects.slice(first), ...subjects.slice(0, first)];
  const parts = {
    tree: (subject: Subject, processes: number) => liveOfTree(subject, options, processes),
    list: listLarge,
    unpack: (subject: Subject, processes: number) => unpack(subject, archive, processes),
  };
  for (const processes of options.processes) {
    for (const part of PARTS.filter((name) => name.includes(options.only))) {
      for (const subject of ordered) {
        results.add(await parts[part](subject, processes), processes, subject.name);
        if (process.stderr.isTTY) process.stderr.write('.');
      }
    }
  }
}

interface Bench {
  subjects: Subject[];
  archive: Archive;
  results: Results;
}

async function measureAll(work: string, options: Options): Promise<Row[]> {
  const archive = await makeArchive(work);
  const bench: Bench = { subjects: [], archive, results: new Results() };
  try {
    for (const name of options.subjects) bench.subjects.push(await openSubject(work, name));
    if ('list'.includes(options.only)) {
      for (const subject of bench.subjects) await makeLarge(subject, options.list);
    }
    for (let repeat = 0; repeat < options.repeats; repeat++) {
      await sampleAll(bench, options, repeat);
    }
  } finally {
    for (const subject of bench.subjects) await subject.close();
  }
  return bench.results.all();
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) {
    console.log(HELP);
    return;
  }
  const work = await mkdtemp(join(options.work, 'coral-reef-bench-'));
  try {
    const rows = await measureAll(work, options);
    const { files, list, repeats } = options;
    const settings = { files, list, repeats };
    if (options.json) console.log(toJson(rows, settings));
    else {
      console.log(`\n${JSON.stringify(machine())}\n${JSON.stringify(settings)}\n`);
      console.log(toTable(rows, options.subjects));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

await main();
