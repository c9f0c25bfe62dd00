/**
 * One measurement of a large chunk index in a process of its own: prints JSON. Arguments: directory, chunks that are
 * there, what to do, milliseconds.
 */
import { readFileSync } from 'node:fs';
import { SEGMENT_CHUNKS } from '../../src/content/limits.js';
import {
  createPlaces,
  namesFrom,
  nameOf,
  openIndexVolume,
  writeSegment,
  type IndexVolume,
} from './index-volume.js';

export interface Measured {
  openSeconds: number;
  perSecond: number;
  /** Of all threads, for each chunk. */
  cpuMicroseconds: number;
  /** The longest that 1024 chunks took. */
  longestMs: number;
  /** The most memory that was ever resident, MiB, and of that what is no part of a file. */
  resident: number;
  anonymous: number;
}

export type Work = 'new' | 'random' | 'in order' | 'insert';

/** Makes one batch of 1024 chunks ready. @returns what is to be measured */
type Batch = (volume: IndexVolume, number: number) => () => Promise<void>;

function batches(chunks: number): Record<Work, Batch> {
  let next = Math.floor(Math.random() * chunks);
  // Not those that an earlier measurement inserted.
  const beyond = chunks + Math.floor(Math.random() * 2 ** 50);
  const anywhere = (): Buffer => nameOf(Math.floor(Math.random() * chunks));
  const newNames = (number: number): Buffer[] =>
    namesFrom(beyond + number * SEGMENT_CHUNKS, SEGMENT_CHUNKS);
  return {
    new: (volume, number) => lookUp(volume, newNames(number), false),
    random: (volume) => lookUp(volume, Array.from({ length: SEGMENT_CHUNKS }, anywhere), true),
    'in order': (volume) => {
      next = next + 2 * SEGMENT_CHUNKS > chunks ? 0 : next + SEGMENT_CHUNKS;
      return lookUp(volume, namesFrom(next, SEGMENT_CHUNKS), true);
    },
    insert: (volume, number) => insert(volume, newNames(number), number),
  };
}

function lookUp({ index }: IndexVolume, names: Buffer[], known: boolean): () => Promise<void> {
  return async () => {
    for (const name of names) {
      if ((index.hit(name) !== undefined) === known) continue;
      throw new Error('the index is not as generated');
    }
  };
}

interface Inserting {
  recipeId: number;
  placeOf: ReturnType<typeof createPlaces>;
}
let inserting: Inserting | undefined;

function insert(volume: IndexVolume, names: Buffer[], number: number): () => Promise<void> {
  const { recipeId, placeOf } = (inserting ??= {
    recipeId: volume.recipes.begin(),
    placeOf: createPlaces(volume),
  });
  return async () => {
    writeSegment(volume, recipeId, number, names, placeOf);
    await volume.store.commit();
  };
}

/** MiB, as proc(5) has it. */
function memory(field: 'VmHWM' | 'RssAnon'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
}

function secondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1e9;
}

async function measure(volume: IndexVolume, batch: Batch, milliseconds: number) {
  let [number, elapsed, cpu, longest, anonymous] = [0, 0, 0, 0, 0];
  for (const end = Date.now() + milliseconds; Date.now() < end; number++) {
    const work = batch(volume, number);
    const start = process.hrtime.bigint();
    const cpuStart = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(cpuStart);
    const took = secondsSince(start);
    elapsed += took;
    cpu += user + system;
    longest = Math.max(longest, took);
    anonymous = Math.max(anonymous, memory('RssAnon'));
    // As between the batches of a packing job: timers run.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const chunks = number * SEGMENT_CHUNKS;
  return {
    perSecond: chunks / elapsed,
    cpuMicroseconds: cpu / chunks,
    longestMs: longest * 1000,
    resident: memory('VmHWM'),
    anonymous,
  };
}

const [base, chunks, work, milliseconds] = process.argv.slice(2);
const start = process.hrtime.bigint();
const volume = await openIndexVolume(base);
const openSeconds = secondsSince(start);
const batch = batches(Number(chunks))[work as Work];
const measured: Measured = { openSeconds, ...(await measure(volume, batch, Number(milliseconds))) };
await volume.store.close();
console.log(JSON.stringify(measured));
