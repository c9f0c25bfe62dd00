/** The content store of Coral Reef: files are plain on the fastest tier, and then packed on the slowest. */
import { writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '../lib/process.js';
import { coralReef } from './metadata-subjects.js';
import { bytesOfFiles, readAll } from './pack-files.js';
import type { Store, StorePlace } from './pack-store.js';

const program = fileURLToPath(new URL('../../../bin/coral-reef', import.meta.url));
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

export async function coralReefStore(place: StorePlace, compress: string): Promise<Store> {
  const { base, input } = place;
  const config = join(base, 'rules.yaml');
  await writeFile(config, PACK_EVERYTHING);
  const { volume, mountpoint } = await coralReef(base, [
    `compress=${compress}`,
    `config=${config}`,
  ]);
  const close = async () => void (await reef('unmount', mountpoint));
  const mounted = join(mountpoint, basename(input));
  try {
    await must('cp', ['--recursive', input, mounted], LONG);
    await must('sync', [], LONG);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    repository: join(base, 'hdd'),
    warm: () => readAll(mounted),
    write: () => reef('demote', mounted, '--to', 'hdd', '--wait'),
    storedBytes: () => storedBytes(place, { volume, mountpoint }),
    wake: () => reef('version'),
    restore: (target) => reef('export', mounted, dirname(target)),
    close,
  };
}

/** Packs and the namespace. No file is plain: there is nothing else that a copy of the volume needs. */
async function storedBytes({ base, input }: StorePlace, mounted: Mounted): Promise<number> {
  await reef('gc', mounted.mountpoint);
  await expectPacked(mounted.mountpoint, await bytesOfFiles(input));
  const packs = await bytesOfFiles(join(base, 'hdd/.coral-reef/packs'));
  return packs + (await bytesOfFiles(join(mounted.volume, 'namespace')));
}

/** @throws where a file was not packed, but moved as it is, or left where it was */
async function expectPacked(mountpoint: string, bytes: number): Promise<void> {
  const { savings } = JSON.parse(await reef('status', mountpoint, '--json')) as {
    savings: { logicalBytes: number };
  };
  const plain = bytes - savings.logicalBytes;
  if (plain !== 0) throw new Error(`${mountpoint}: ${plain} bytes were not packed`);
}
