/**
 * What the content store makes of real files, how fast, and how fast it gives them back: beside backup
 * programs that deduplicate and compress, in one run on one disk. Repeats are interleaved, and another
 * subject goes first in each.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bytesOf, COMMON_OPTIONS, type CommonOptions } from './options.js';
import { openCache, type Cache } from './pack-downloads.js';
import { bytesOfFiles, compare, countFiles, dropCaches, syncFilesystem } from './pack-files.js';
import { INPUTS, type Input } from './pack-inputs.js';
import { toRows, toTables, type InputResult, type Sample } from './pack-report.js';
import type { Store } from './pack-store.js';
import { SUBJECTS, subjectNames, type SubjectName } from './pack-subjects.js';
import { machine, toJson } from './report.js';
import { seconds } from './workers.js';

const HELP = `usage: scripts/bench/pack [--size GIB] [--repeats N] [--subjects NAME,...] [--only TEXT]
                          [--work DIR] [--json]

  --size GIB      size of each generated input, 1 by default
  --repeats N     samples of each figure, 3 by default; the median is printed
  --subjects ...  of ${Object.keys(SUBJECTS).join(', ')}
  --only TEXT     only inputs whose name contains TEXT, of
                  ${INPUTS.map(({ name }) => name).join(', ')}
  --work DIR      everything is made below (/var/tmp); the cache of packages stays there
  --json          one JSON document with every sample
`;

interface Options extends CommonOptions {
  size: number;
  subjects: SubjectName[];
}

function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      ...COMMON_OPTIONS,
      size: { type: 'string', default: '1' },
      subjects: { type: 'string', default: Object.keys(SUBJECTS).join(',') },
    },
  });
  if (values.help) return null;
  return {
    ...values,
    size: bytesOf(values.size),
    repeats: Number(values.repeats),
    subjects: subjectNames(values.subjects),
  };
}

/** Stores, drops the caches, restores. @throws where what comes back differs */
async function sample(store: Store, input: string, restored: string): Promise<Sample> {
  await store.warm();
  const writeSeconds = await seconds(async () => {
    await store.write();
    await syncFilesystem(store.repository);
  });
  const storedBytes = await store.storedBytes();
  await dropCaches();
  await store.wake();
  const target = join(restored, 'input');
  const restoreSeconds = await seconds(async () => {
    await store.restore(target);
    await syncFilesystem(restored);
  });
  await compare(input, target);
  return { writeSeconds, storedBytes, restoreSeconds };
}

async function sampleOf(subject: SubjectName, input: string, work: string): Promise<Sample> {
  const base = await mkdtemp(join(work, 'store-'));
  try {
    const restored = join(base, 'restored');
    await mkdir(restored);
    const store = await SUBJECTS[subject].open({ base, input });
    try {
      return await sample(store, input, restored);
    } finally {
      await store.close();
    }
  } finally {
    await rm(base, { recursive: true, force: true });
    await syncFilesystem(work);
  }
}

async function measureInput(
  { name }: Input,
  folder: string,
  work: string,
  options: Options,
): Promise<InputResult> {
  const { subjects, repeats } = options;
  const samples: InputResult['samples'] = {};
  for (let repeat = 0; repeat < repeats; repeat++) {
    const first = repeat % subjects.length;
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      progress(`${name}, repeat ${repeat + 1} of ${repeats}: ${subject}`);
      (samples[subject] ??= []).push(await sampleOf(subject, folder, work));
    }
  }
  const [bytes, files] = [await bytesOfFiles(folder), await countFiles(folder)];
  return { input: name, bytes, files, samples };
}

/** Makes the input, measures, and removes it before the next one takes its place. */
async function measure(
  input: Input,
  cache: Cache,
  work: string,
  options: Options,
): Promise<InputResult> {
  const [folder, scratch] = [join(work, 'input'), join(work, 'scratch')];
  progress(`${input.name}: making the input`);
  await mkdir(folder);
  await mkdir(scratch);
  await input.make({ cache, folder, scratch, size: options.size });
  const result = await measureInput(input, folder, work, options);
  await rm(folder, { recursive: true });
  await rm(scratch, { recursive: true });
  return result;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
}

async function measureAll(options: Options): Promise<InputResult[]> {
  const cache = openCache(join(options.work, 'coral-reef-bench-packages'));
  const work = await mkdtemp(join(options.work, 'coral-reef-bench-'));
  const results: InputResult[] = [];
  try {
    for (const input of INPUTS.filter(({ name }) => name.includes(options.only))) {
      results.push(await measure(input, cache, work, options));
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return results;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === null) {
    console.log(HELP);
    return;
  }
  const results = await measureAll(options);
  const settings = { generatedBytes: options.size, repeats: options.repeats };
  if (options.json) {
    console.log(toJson(toRows(results), settings));
    return;
  }
  console.log(`\n${JSON.stringify(machine())}\n${JSON.stringify(settings)}\n`);
  console.log(toTables(results, options.subjects));
}

await main();
