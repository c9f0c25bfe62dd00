/** Backup programs as Debian packages them. Of their settings only compression and encryption are chosen. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { must } from '../lib/process.js';
import { bytesOfFiles, readAll } from './pack-files.js';
import type { Store, StorePlace } from './pack-store.js';

const LONG_MS = 3_600_000;

/** borg without encryption, as it is none of what is compared. */
export async function borgStore({ base, input }: StorePlace, compression: string): Promise<Store> {
  const repository = join(base, 'repository');
  const archive = `${repository}::archive`;
  const borg = program('borg', { BORG_BASE_DIR: base, ...BORG_ASKS_NOTHING });
  await borg(base, 'init', '--encryption', 'none', repository);
  const create = ['create', '--compression', compression, archive, basename(input)];
  return {
    ...keptIn(repository, input),
    write: () => borg(dirname(input), ...create),
    wake: () => borg(base, '--version'),
    restore: (target) => borg(dirname(target), 'extract', archive),
  };
}

/** For a repository that it did not see before and that is not encrypted. */
const BORG_ASKS_NOTHING = {
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
  BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
};

/** restic always encrypts. Only the second version of its repository compresses. */
export async function resticStore(
  { base, input }: StorePlace,
  compression: string,
): Promise<Store> {
  const repository = join(base, 'repository');
  const restic = program('restic', {
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: 'benchmark',
    RESTIC_CACHE_DIR: join(base, 'cache'),
  });
  await restic(base, 'init', '--repository-version', '2');
  const backup = ['backup', '--compression', compression, basename(input)];
  return {
    ...keptIn(repository, input),
    write: () => restic(dirname(input), ...backup),
    wake: () => restic(base, 'version'),
    restore: (target) => restic(base, 'restore', 'latest', '--target', dirname(target)),
  };
}

/** A store of chunks and an index of the folder, compressed with zstd. */
export async function casyncStore({ base, input }: StorePlace): Promise<Store> {
  const repository = join(base, 'repository');
  await mkdir(repository);
  const casync = program('casync', {});
  const store = `--store=${join(repository, 'store.castr')}`;
  const index = join(repository, 'input.caidx');
  return {
    ...keptIn(repository, input),
    write: () => casync(base, 'make', store, index, input),
    wake: () => casync(base, '--version'),
    restore: (target) => casync(base, 'extract', store, index, target),
  };
}

type Program = (cwd: string, ...args: string[]) => Promise<string>;

function program(name: string, variables: NodeJS.ProcessEnv): Program {
  const env = { ...process.env, ...variables };
  return (cwd, ...args) => must(name, args, { cwd, env, timeoutMs: LONG_MS });
}

function keptIn(repository: string, input: string) {
  return {
    repository,
    warm: () => readAll(input),
    storedBytes: () => bytesOfFiles(repository),
    close: () => Promise.resolve(),
  };
}
