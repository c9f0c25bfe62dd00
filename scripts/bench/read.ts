/**
 * How fast packed files are read: by llama.cpp, through a mapping, in order and at random; out of cached packs and
 * from the medium; beside the same file unpacked, and beside zstd. Repeats are interleaved.
 */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bytesOf, COMMON_OPTIONS } from './options.js';
import { FIGURES, type Column, type Figure } from './read-figures.js';
import { KINDS, makeInputs, type Input, type Inputs } from './read-inputs.js';
import { machine, toJson, toTable, type Row } from './report.js';

const HELP = `usage: scripts/bench/read [--size GIB] [--repeats N] [--lab DIR | --work DIR] [--only TEXT] [--json]

  --size GIB   size of each file, 1 by default
  --repeats N  samples of each figure, 3 by default; the median is printed
  --lab DIR    use the throttled tiers that scripts/bench/lab set up in DIR; packs are on hdd
  --work DIR   make three tiers on the filesystem of DIR (/var/tmp)
  --only TEXT  only what contains TEXT in "WHAT, FILE, CACHE", as in "cold" or "random read, 4 KiB, bf16"
  --json       one JSON document with every sample
`;

const COLUMNS: readonly Column[] = ['raw', 'zstd -d', 'zstd -d, two', 'packed'];

/** One figure of one kind of file. */
interface Task {
  figure: Figure;
  input: Input['kind'];
  row: Row;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      ...COMMON_OPTIONS,
      size: { type: 'string', default: '1' },
      lab: { type: 'string' },
    },
  });
  const size = bytesOf(values.size);
  return { ...values, size, repeats: Number(values.repeats) };
}

function tasksFor(only: string): Task[] {
  const all = FIGURES.flatMap((figure) =>
    figure.kinds.map((input) => {
      const { name, cache, unit } = figure;
      return {
        figure,
        input,
        row: { labels: { measure: name, file: input, cache, unit }, samples: {} },
      };
    }),
  );
  return all.filter(({ figure, input }) =>
    `${figure.name}, ${input}, ${figure.cache}`.includes(only),
  );
}

async function sample({ figure, input, row }: Task, { inputs }: Inputs, repeat: number) {
  const file = inputs.find(({ kind }) => kind === input)!;
  const columns = COLUMNS.filter((column) => figure.columns[column] !== undefined);
  const first = repeat % columns.length;
  for (const column of [...columns.slice(first), ...columns.slice(0, first)]) {
    (row.samples[column] ??= []).push(await figure.columns[column]!(file));
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) return console.log(HELP);
  const { size, repeats } = options;
  const work = await mkdtemp(join(options.work, 'coral-reef-read-'));
  const root = options.lab ?? work;
  const tiers = { nvme: join(root, 'nvme'), ssd: join(root, 'ssd'), hdd: join(root, 'hdd') };
  const tasks = tasksFor(options.only);
  const kinds = KINDS.filter((kind) => tasks.some(({ input }) => input === kind));
  const inputs = await makeInputs({ work, tiers, size }, kinds);
  try {
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const task of tasks) await sample(task, inputs, repeat);
    }
    await inputs.check();
  } finally {
    await inputs.close();
  }
  const rows = tasks.map(({ row }) => row);
  const settings = { sizeBytes: size, repeats, lab: options.lab ?? null };
  if (options.json) return console.log(toJson(rows, settings));
  console.log(`${JSON.stringify(machine())}\n${JSON.stringify(settings)}\n`);
  console.log(toTable(rows, COLUMNS));
}

await main();
