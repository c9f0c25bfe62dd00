/** The same bytes served in four ways: by the backing filesystem itself, and by Coral Reef in each form. */
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '../lib/process.js';
import { writeNoise } from './generated.js';

export type SubjectName = 'raw' | 'plain' | 'passthrough=off' | 'packed';

export interface Subject {
  name: SubjectName;
  path: string;
  mayWrite: boolean;
}

export interface Bench {
  subjects: Subject[];
  /** Says where `where` finds a file in another form than is measured. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface BenchPlace {
  /** Everything is made below, and removed afterwards. */
  work: string;
  /** Folders for the tiers, fastest first. Raw and plain files lie on the fastest. */
  tiers: Record<'nvme' | 'ssd' | 'hdd', string>;
  /** Bytes of the file. */
  size: number;
}

const program = fileURLToPath(new URL('../../../bin/coral-reef', import.meta.url));
const LONG = { timeoutMs: 3_600_000 };
export const reef = (...args: string[]) => must(program, args, LONG);

/** Nothing moves by itself while it is measured. */
export const QUIET = 'promote=never,cold-after=1000h,high=99,low=98';

export async function makeVolume(
  place: BenchPlace,
  name: string,
  options: string,
): Promise<string> {
  const mountpoint = join(place.work, `${name}.mnt`);
  await mkdir(mountpoint);
  const tiers = Object.entries(place.tiers);
  for (const [, directory] of tiers) await mkdir(join(directory, name), { recursive: true });
  const flags = tiers.flatMap(([tier, directory]) => [
    '--tier',
    `${tier}=${join(directory, name)},medium=${tier}`,
  ]);
  await reef('init', join(place.work, `${name}.volume`), ...flags);
  await reef('mount', join(place.work, `${name}.volume`), mountpoint, '-o', options);
  return mountpoint;
}

async function formOf(path: string): Promise<string> {
  const rows = [JSON.parse(await reef('where', path, '--json')) as { form: string }[]].flat();
  return rows[0].form;
}

export async function expectForm(path: string, form: string): Promise<void> {
  const actual = await formOf(path);
  if (actual !== form)
    throw new Error(`${path} is ${actual}, not ${form}: it moved while measured`);
}

/** Sets everything up: one file four times. `close` removes it all, also after a failure here. */
export async function openBench(place: BenchPlace): Promise<Bench> {
  const mounts: string[] = [];
  const close = () => removeAll(place, mounts);
  try {
    return { ...(await fill(place, mounts)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function fill(place: BenchPlace, mounts: string[]): Promise<Omit<Bench, 'close'>> {
  await mkdir(place.work, { recursive: true });
  await mkdir(join(place.tiers.nvme, 'raw'), { recursive: true });
  const raw = join(place.tiers.nvme, 'raw/file.bin');
  await writeNoise(raw, place.size);
  const direct = await makeVolume(place, 'direct', QUIET);
  mounts.push(direct);
  const through = await makeVolume(place, 'daemon', `${QUIET},passthrough=off`);
  mounts.push(through);
  const plain = join(direct, 'plain.bin');
  const packed = join(direct, 'packed.bin');
  const served = join(through, 'plain.bin');
  for (const path of [packed, plain, served]) await copyFile(raw, path);
  await reef('demote', packed, '--to', 'hdd', '--wait');
  const check = async () => {
    await expectForm(plain, 'plain');
    await expectForm(served, 'plain');
    await expectForm(packed, 'packed');
  };
  await check();
  const subjects: Subject[] = [
    { name: 'raw', path: raw, mayWrite: true },
    { name: 'plain', path: plain, mayWrite: true },
    { name: 'passthrough=off', path: served, mayWrite: true },
    { name: 'packed', path: packed, mayWrite: false },
  ];
  return { subjects, check };
}

async function removeAll(place: BenchPlace, mounts: string[]): Promise<void> {
  for (const mountpoint of mounts) await reef('unmount', mountpoint);
  for (const directory of Object.values(place.tiers)) {
    for (const name of ['raw', 'direct', 'daemon']) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
  }
  await rm(place.work, { recursive: true, force: true });
}
