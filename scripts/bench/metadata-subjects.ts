/** Filesystems that the metadata benchmark compares: each an empty directory on the same disk. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '../lib/process.js';

export const SUBJECTS = [
  'raw',
  'coral-reef',
  'passthrough=off',
  'fuse-native',
  'mergerfs',
  'bindfs',
] as const;
export type SubjectName = (typeof SUBJECTS)[number];

export interface Subject {
  name: SubjectName;
  /** Everything happens below. */
  root: string;
  close(): Promise<void>;
}

const program = fileURLToPath(new URL('../../../bin/coral-reef', import.meta.url));
const LONG = { timeoutMs: 600_000 };
/** Nothing moves by itself while it is measured. */
const QUIET = 'promote=never,cold-after=1000h,high=99,low=98';

/** Mounts one over directories of its own below `work`. */
export async function openSubject(work: string, name: SubjectName): Promise<Subject> {
  const base = await mkdtemp(join(work, `${name}-`));
  const mountpoint = join(base, 'mnt');
  await mkdir(mountpoint);
  await MOUNTERS[name](base, mountpoint);
  const close = async () => {
    if (name in UNIONS) await must('umount', [mountpoint], LONG);
    // Returns only when the daemon is done with its tiers.
    else if (name !== 'raw') await must(program, ['unmount', mountpoint], LONG);
    await rm(base, { recursive: true, force: true });
  };
  return { name, root: mountpoint, close };
}

type Mounter = (base: string, mountpoint: string) => Promise<unknown>;

/** The settings that Debian's packages come with; several threads, as mergerfs has by default. */
const UNIONS = {
  mergerfs: union('mergerfs', []),
  bindfs: union('bindfs', ['--multithreaded']),
};

const MOUNTERS: Record<SubjectName, Mounter> = {
  raw: () => Promise.resolve(),
  'coral-reef': (base) => coralReef(base, []),
  'passthrough=off': (base) => coralReef(base, ['passthrough=off']),
  'fuse-native': (base) => coralReef(base, ['channel=fuse-native']),
  ...UNIONS,
};

/** A volume on three tiers below `base`, mounted on `base`/mnt. */
export async function coralReef(base: string, options: string[]) {
  const volume = join(base, 'volume');
  const mountpoint = join(base, 'mnt');
  const tiers = ['nvme', 'ssd', 'hdd'].map((name) => ({ name, path: join(base, name) }));
  for (const { path } of tiers) await mkdir(path);
  await mkdir(mountpoint, { recursive: true });
  const flags = tiers.flatMap(({ name, path }) => ['--tier', `${name}=${path},medium=${name}`]);
  await must(program, ['init', volume, ...flags]);
  await must(program, ['mount', volume, mountpoint, '-o', [QUIET, ...options].join(',')]);
  return { volume, mountpoint };
}

function union(command: string, options: string[]): Mounter {
  return async (base, mountpoint) => {
    const branch = join(base, 'branch');
    await mkdir(branch);
    await must(command, ['-o', 'allow_other', ...options, branch, mountpoint]);
  };
}
