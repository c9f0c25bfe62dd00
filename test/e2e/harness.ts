/**
 * A volume on three tiers and a real mount of it, for one test; everything is taken away afterwards, also
 * when the test failed or hung. The test process is never the daemon.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { must, run, waitFor, type Result, type RunOptions } from '../../scripts/lib/process.js';
import { mountImage } from '../loop-filesystem.js';

export const checkout = fileURLToPath(new URL('../../../', import.meta.url));
export const program = join(checkout, 'bin/coral-reef');

export const TIERS = ['nvme', 'ssd', 'hdd'] as const;
export type TierName = (typeof TIERS)[number];

type Media = 'directories' | 'loop' | 'xfs' | 'btrfs';

export interface VolumeOptions {
  /**
   * `directories` on the test machine's disk, or loop devices: ext4, XFS and ext4 (`loop`), or all of them alike.
   */
  media?: Media;
  /** As given to `init`, such as `64MiB`; without it a tier may use its whole filesystem. */
  capacity?: Partial<Record<TierName, string>>;
  /** Options of the first mount; null leaves the volume unmounted. */
  mount?: string[] | null;
  /** Milliseconds for the whole test. */
  timeoutMs?: number;
}

/** One object of `where --json`. */
export interface Where {
  path: string;
  tier: string;
  form: 'plain' | 'packed';
  class: string;
  temperature: 'HOT' | 'WARM' | 'COLD';
  heat: number;
  pinned: string | null;
  size: number;
  storedBytes: number;
  sharedBytes: number;
}

/** What tests use of `status --json`. */
export interface Status {
  pid?: number;
  health: string;
  problems: string[];
  mountpoint: string;
  volume: string;
  tiers: {
    name: string;
    medium: string;
    path: string;
    capacity: number;
    used: number;
    plainBytes: number;
    packedBytes: number;
    sharesExtents: boolean;
    state: string;
  }[];
  savings: {
    logicalBytes: number;
    unnamedBytes: number;
    storedBytes: number;
    zeroBytes: number;
    dedupBytes: number;
    compressionBytes: number;
    storedAgainBytes: number;
  };
  migration: {
    state: string;
    queued: number;
    running: { kind: string; ino: number; tier: string; done: number; total: number }[];
    bytesShared: number;
  };
  passthrough: boolean;
}

/** A test on its own volume. The name says what a user would lose. */
export function scenario(
  name: string,
  options: VolumeOptions,
  body: (volume: TestVolume, context: TestContext) => Promise<void>,
): void {
  test(name, { timeout: options.timeoutMs ?? 180_000 }, async (context) => {
    const volume = await createVolume(context, options);
    await body(volume, context);
  });
}

/** What cleans up when it is over: a test's context, or what a script has in its place. */
export type Ending = Pick<TestContext, 'after'>;

/** Makes the volume, mounts it, and sees to it that it is cleaned up after the test. */
export async function createVolume(context: Ending, options: VolumeOptions = {}) {
  const volume = await createPlace(context);
  for (const name of TIERS) await makeTier(volume.root, name, options.media ?? 'directories');
  await volume.init(options.capacity ?? {});
  if (options.mount !== null) await volume.mount(options.mount);
  return volume;
}

/** Where a volume is to be, with a mount point and nothing else, cleaned up after the test. */
export async function createPlace(context: Ending): Promise<TestVolume> {
  const root = await mkdtemp(join(tmpdir(), 'coral-reef-e2e-'));
  const volume = new TestVolume(root);
  leftOver.add(root);
  context.after(() => cleanUp(root));
  await mkdir(volume.mountpoint);
  return volume;
}

export class TestVolume {
  readonly path: string;
  readonly mountpoint: string;

  constructor(readonly root: string) {
    this.path = join(root, 'volume');
    this.mountpoint = join(root, 'mnt');
  }

  /** A path below the mount. */
  at(...parts: string[]): string {
    return join(this.mountpoint, ...parts);
  }

  tier(name: TierName): string {
    return join(this.root, name);
  }

  async init(capacity: Partial<Record<TierName, string>>): Promise<void> {
    const tiers = TIERS.flatMap((name) => {
      const limit = capacity[name];
      const suffix = limit === undefined ? '' : `,capacity=${limit}`;
      return ['--tier', `${name}=${this.tier(name)},medium=${name}${suffix}`];
    });
    await this.must('init', this.path, ...tiers);
  }

  async mount(options: string[] = []): Promise<void> {
    const list = options.length === 0 ? [] : ['-o', options.join(',')];
    await this.must('mount', this.path, this.mountpoint, ...list);
  }

  async unmount(): Promise<void> {
    const pid = await this.daemonPid();
    await this.must('unmount', this.mountpoint);
    await waitFor('the daemon ends after the unmount', () => !isAlive(pid));
  }

  async remount(options: string[] = []): Promise<void> {
    await this.unmount();
    await this.mount(options);
  }

  /** Runs a verb, whatever its exit code. */
  run(...args: string[]): Promise<Result> {
    return run(program, args, { timeoutMs: 120_000, env: this.environment() });
  }

  /** Runs a verb that must succeed. */
  must(...args: string[]): Promise<string> {
    return must(program, args, { timeoutMs: 120_000, env: this.environment() });
  }

  /** Other volumes may be mounted on the machine: this is the one that is meant. */
  private environment(): NodeJS.ProcessEnv {
    return { ...process.env, CORAL_REEF_MOUNTPOINT: this.mountpoint };
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.must(...args, '--json')) as T;
  }

  status(): Promise<Status> {
    return this.json<Status>('status', this.mountpoint);
  }

  async where(path: string): Promise<Where> {
    const rows = [await this.json<Where | Where[]>('where', this.at(path))].flat();
    assert.equal(rows.length, 1);
    return rows[0];
  }

  async demote(path: string, to: TierName = 'hdd'): Promise<void> {
    await this.must('demote', this.at(path), '--to', to, '--wait');
  }

  async promote(path: string, to: TierName = 'nvme'): Promise<void> {
    await this.must('promote', this.at(path), '--to', to, '--wait');
  }

  /** Waits until `where` says what is expected. Asking is no access: it does not warm the file. */
  waitUntil(path: string, expected: Partial<Where>, timeoutMs = 60_000): Promise<Where> {
    const wanted = Object.entries(expected);
    return waitFor(
      `${path} becomes ${JSON.stringify(expected)}`,
      async () => {
        const row = await this.where(path);
        return wanted.every(([key, value]) => row[key as keyof Where] === value) && row;
      },
      timeoutMs,
    );
  }

  async daemonPid(): Promise<number> {
    return (await this.status()).pid ?? (await findDaemon(this.path));
  }

  /** Kills the daemon as a crash would. The dead mount stays until it is taken away. */
  async killDaemon(): Promise<void> {
    const pid = await this.daemonPid();
    process.kill(pid, 'SIGKILL');
    await waitFor('the killed daemon is gone', () => !isAlive(pid));
  }

  async removeDeadMount(): Promise<void> {
    await must('fusermount3', ['-u', this.mountpoint]);
  }

  /** The packs of a tier, oldest first. */
  async packs(name: TierName): Promise<string[]> {
    const root = join(this.tier(name), '.coral-reef/packs');
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.pack'))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort();
  }

  /** Bytes that a tier's directory takes on its medium. */
  async tierBytes(name: TierName): Promise<number> {
    return Number((await must('du', ['-s', '-B1', this.tier(name)])).split('\t')[0]);
  }
}

/** Daemons are asked for by what they were told to mount, where `status` can't say. */
async function findDaemon(volumePath: string): Promise<number> {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (command.split('\0').includes(volumePath)) return Number(entry);
  }
  throw new Error(`no daemon serves ${volumePath}`);
}

/** A zombie is gone as far as anybody is concerned. */
export function isAlive(pid: number): boolean {
  const status = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return status.stdout.trim() !== '' && !status.stdout.trim().startsWith('Z');
}

const LOOP_FILESYSTEMS = { nvme: 'ext4', ssd: 'xfs', hdd: 'ext4' } as const;

async function makeTier(root: string, name: TierName, media: Media) {
  const directory = join(root, name);
  await mkdir(directory);
  if (media === 'directories') return;
  const kind = media === 'loop' ? LOOP_FILESYSTEMS[name] : media;
  mountImage(kind, join(root, `${name}.img`), directory, 512 * 1024 * 1024);
}

const leftOver = new Set<string>();
process.on('exit', () => {
  for (const root of leftOver) unmountBelow(root);
});

/** Unmounts by force first: programs that hang in a dead mount are let go. */
function unmountBelow(root: string): void {
  const mounts = spawnSync('findmnt', ['-rno', 'TARGET'], { encoding: 'utf8' }).stdout.split('\n');
  for (const target of mounts.filter((path) => path.startsWith(`${root}/`)).reverse()) {
    const flags = target.startsWith(join(root, 'mnt')) ? ['-c', '-f', '-l'] : ['-l'];
    spawnSync('umount', [...flags, target], { timeout: 20_000 });
  }
}

async function cleanUp(root: string): Promise<void> {
  const pid = await findDaemon(join(root, 'volume')).catch(() => undefined);
  unmountBelow(root);
  if (pid !== undefined) await endProcess(pid);
  // A second time: the mounts of the tiers could be busy while the daemon lived.
  unmountBelow(root);
  await rm(root, { recursive: true, force: true });
  leftOver.delete(root);
}

async function endProcess(pid: number): Promise<void> {
  try {
    await waitFor('the daemon ends', () => !isAlive(pid), 10_000);
  } catch {
    process.kill(pid, 'SIGKILL');
  }
}

/** Runs a command on files of the mount with the usual deadline. */
export function onMount(volume: TestVolume, command: string, args: string[], options?: RunOptions) {
  return must(command, args, { cwd: volume.mountpoint, ...options });
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
