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

type Mounter = (base: string, mountpoint: string) => Promise<void>;

/** The settings that Debian's packages come with; several threads, as mergerfs has by default. */
const UNIONS = {
  mergerfs: union('mergerfs', []),
  bindfs: union('bindfs', ['--multithreaded']),
};

const MOUNTERS: Record<SubjectName, Mounter> = {
  raw: () => Promise.resolve(),
  'coral-reef': coralReef([]),
  'passthrough=off': coralReef(['passthrough=off']),
  'fuse-native': coralReef(['channel=fuse-native']),
  ...UNIONS,
};

function coralReef(options: string[]): Mounter {
  return async (base, mountpoint) => {
    const tiers = ['nvme', 'ssd', 'hdd'].flatMap((tier) => [
      '--tier',
      `${tier}=${join(base, tier)},medium=${tier}`,
    ]);
    for (const tier of ['nvme', 'ssd', 'hdd']) await mkdir(join(base, tier));
    await must(program, ['init', join(base, 'volume'), ...tiers]);
    const list = [QUIET, ...options].join(',');
    await must(program, ['mount', join(base, 'volume'), mountpoint, '-o', list]);
  };
}

function union(command: string, options: string[]): Mounter {
  return async (base, mountpoint) => {
    const branch = join(base, 'branch');
    await mkdir(branch);
    await must(command, ['-o', 'allow_other', ...options, branch, mountpoint]);
  };
}
