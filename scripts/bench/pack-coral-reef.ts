/** The content store of Coral Reef, on the slowest tier. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import { randomBytes } from '../fixtures/random-bytes.js';
import { must } from '../lib/process.js';
import { coralReef } from './metadata-subjects.js';
import { bytesOfFiles, readAll } from './pack-files.js';
import type { Store, StorePlace } from './pack-store.js';

const program = fileURLToPath(new URL('../../../bin/coral-reef', import.meta.url));
const WARM_UP_FILES = 3000;
const LONG = { timeoutMs: 3_600_000 };
const reef = (...args: string[]) => must(program, args, LONG);

/** By default databases and configuration stay plain; here the content store is what is measured. */
const PACK_EVERYTHING = `rules:
  - match: { path: "**" }
    place: { cold: hdd, pack: auto, demote: auto }
`;

interface Mounted {
  volume: string;
  mountpoint: string;
}

/** The files come from outside, packed at once, and go out again. */
export async function coralReefStore(place: StorePlace, compress: string): Promise<Store> {
  const { base, input } = place;
  const store = await openVolume(place, compress);
  const { mountpoint, mounted } = store;
  await closing(store, () => warmUp(base, mountpoint));
  return {
    ...store,
    warm: () => readAll(input),
    write: () => reef('import', input, mountpoint, '--to', 'hdd'),
    wake: () => reef('version'),
    restore: (target) => reef('export', mounted, dirname(target)),
  };
}

/** The files are plain on the fastest tier, packed where they are cold, and copied out as by anybody. */
export async function coralReefMoves(place: StorePlace, compress: string): Promise<Store> {
  const { base, input } = place;
  const store = await openVolume(place, compress);
  const { mountpoint, mounted } = store;
  await closing(store, async () => {
    await warmUp(base, mountpoint);
    await must('cp', ['--recursive', input, mounted], LONG);
    await must('sync', [], LONG);
  });
  return {
    ...store,
    warm: () => readAll(mounted),
    write: () => reef('demote', mounted, '--to', 'hdd', '--wait'),
    wake: () => Promise.resolve(),
    restore: (target) => must('cp', ['--recursive', mounted, target], LONG),
  };
}

async function openVolume(place: StorePlace, compress: string) {
  const { base, input } = place;
  const config = join(base, 'rules.yaml');
  await writeFile(config, PACK_EVERYTHING);
  const options = [`compress=${compress}`, `config=${config}`];
  const { volume, mountpoint } = await coralReef(base, options);
  return {
    mountpoint,
    mounted: join(mountpoint, basename(input)),
    repository: join(base, 'hdd'),
    storedBytes: () => storedBytes(place, { volume, mountpoint }),
    close: async () => void (await reef('unmount', mountpoint)),
  };
}

async function closing(store: Pick<Store, 'close'>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * A daemon runs for weeks: what it does in its first second, when its code is not compiled yet, says little. So it packs
 * other files first, on another tier, and has none of them when the measure begins.
 */
async function warmUp(base: string, mountpoint: string): Promise<void> {
  const [folder, out] = [join(base, 'warm-up'), join(base, 'warmed-up')];
  const random = randomBytes(3);
  await mkdir(folder);
  await mkdir(out);
  for (let i = 0; i < WARM_UP_FILES; i++) {
    await writeFile(join(folder, `${i}.txt`), random.next(8192).toString('hex'));
  }
  await writeFile(join(folder, 'noise'), random.next(32 << 20));
  await reef('import', folder, mountpoint, '--to', 'ssd');
  await reef('export', join(mountpoint, 'warm-up'), out);
  await rm(join(mountpoint, 'warm-up'), { recursive: true });
  await reef('gc', mountpoint);
  await rm(folder, { recursive: true });
  await rm(out, { recursive: true });
}

/** Packs and the namespace. No file is plain: there is nothing else that a copy of the volume needs. */
async function storedBytes({ base, input }: StorePlace, mounted: Mounted): Promise<number> {
  await reef('gc', mounted.mountpoint);
  await expectPacked(mounted.mountpoint, await bytesOfFiles(input));
  const packs = await bytesOfFiles(join(base, 'hdd/.coral-reef/packs'));
  return packs + (await namespaceBytes(join(mounted.volume, 'namespace'), join(base, 'copy')));
}

/** Of a compact copy, as tiers keep one: the database itself has pages that the warm-up used. */
async function namespaceBytes(namespace: string, copy: string): Promise<number> {
  await rm(copy, { recursive: true, force: true });
  await mkdir(copy);
  const database = open({ path: namespace, readOnly: true });
  try {
    await database.backup(copy, true);
  } finally {
    await database.close();
  }
  return bytesOfFiles(copy);
}

/** @throws where a file was not packed, but moved as it is, or left where it was */
async function expectPacked(mountpoint: string, bytes: number): Promise<void> {
  const { savings } = JSON.parse(await reef('status', mountpoint, '--json')) as {
    savings: { logicalBytes: number };
  };
  const plain = bytes - savings.logicalBytes;
  if (plain !== 0) throw new Error(`${mountpoint}: ${plain} bytes were not packed`);
}
