/** Where cases run: ext4 itself, and Coral Reef mounted in its several ways. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { must, run } from '../../scripts/lib/process.js';
import { checkout, createVolume } from '../e2e/harness.js';
import { ordinary, type Case, type Env, type Family } from './cases.js';
import { runCases, type Outcome } from './run-cases.js';

export interface Place {
  accepts(one: Case): boolean;
  run(family: Family): Promise<Outcome[]>;
}

const without = () => Promise.resolve();

/** ext4 on a loop device, as mkfs.ext4 makes it. */
export async function ext4(t: TestContext): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'coral-reef-posix-'));
  await chmod(root, 0o755);
  const mountpoint = join(root, 'ext4');
  const image = join(root, 'image');
  await mkdir(mountpoint);
  await must('truncate', ['-s', '2G', image]);
  await must('mkfs.ext4', ['-q', '-F', '-I', '256', image]);
  // One device for all mounts: another mount namespace may keep it busy for a while.
  const device = (await must('losetup', ['--find', '--show', image])).trim();
  t.after(async () => {
    await run('umount', ['-l', mountpoint]);
    await must('losetup', ['-d', device]);
    await must('rm', ['-rf', '--one-file-system', root]);
  });
  await must('mount', [device, mountpoint]);
  const remount = async (options: string[] = []) => {
    await must('umount', [mountpoint]);
    await must('mount', [device, mountpoint]);
    if (options.length > 0) await must('mount', ['-o', `remount,${options.join(',')}`, mountpoint]);
  };
  const env = { elsewhere: await makeElsewhere(root), settle: without, remount };
  return inThisProcess(mountpoint, env, () => true);
}

async function makeElsewhere(root: string): Promise<string> {
  const elsewhere = join(root, 'elsewhere');
  await mkdir(elsewhere);
  await chmod(elsewhere, 0o777);
  return elsewhere;
}

function inThisProcess(directory: string, env: Env, accepts: Place['accepts']): Place {
  return { accepts, run: (family) => runCases(family, accepts, directory, env) };
}

/** Mounted by root; files stay plain. */
export function plain(...options: string[]) {
  return async (t: TestContext): Promise<Place> => {
    const { mountpoint, env } = await mounted(t, options);
    const accepts = ({ long }: Case): boolean => !long || options.length === 0;
    return inThisProcess(mountpoint, { ...env, settle: without }, accepts);
  };
}

/** Mounted by root; files are packed as soon as a case lets them settle. */
export function packed(...options: string[]) {
  return async (t: TestContext): Promise<Place> => {
    const { mountpoint, env } = await mounted(t, options);
    return inThisProcess(mountpoint, env, (one) => one.packed);
  };
}

async function mounted(t: TestContext, options: string[]) {
  // As mount(8) does for root: set-id programs and devices count.
  const always = ['suid', 'dev', ...options];
  const volume = await createVolume(t, { mount: always });
  await chmod(volume.root, 0o755);
  const { mountpoint } = volume;
  const env: Env = {
    elsewhere: await makeElsewhere(volume.root),
    settle: (path) => volume.demote(relative(mountpoint, path)),
    remount: (more = []) => volume.remount([...always, ...more]),
  };
  return { mountpoint, env };
}

/** `nobody` of Debian. */
const ORDINARY = 65_534;
const asOrdinary = ['--reuid', ORDINARY, '--regid', ORDINARY, '--clear-groups'].map(String);

/**
 * Mounted by a user without rights, through fusermount3; only that user may look at it. It lies in a mount
 * namespace of its own, where that user can open /dev/fuse (everywhere else that is udev's work) and reach
 * the checkout.
 */
export function ordinaryUser(...options: string[]) {
  return (t: TestContext): Promise<Place> => mountedByOrdinaryUser(t, options);
}

async function mountedByOrdinaryUser(t: TestContext, options: string[]): Promise<Place> {
  const volume = await createVolume(t, { mount: null });
  const { root, mountpoint } = volume;
  const elsewhere = await makeElsewhere(root);
  const copy = join(root, 'checkout');
  for (const name of ['checkout', 'dev']) await mkdir(join(root, name));
  await must('chown', ['-R', `${ORDINARY}:${ORDINARY}`, root]);
  const namespace = await openNamespace(t, root);
  const asUser = (command: string, ...args: string[]) =>
    must('nsenter', [...namespace, 'setpriv', ...asOrdinary, command, ...args], {
      timeoutMs: 300_000,
    });
  const words = options.flatMap((option) => ['-o', option]);
  await asUser(join(copy, 'bin/coral-reef'), 'mount', volume.path, mountpoint, ...words);
  const child = join(copy, relative(checkout, fileURLToPath(import.meta.url)), '../child.js');
  return {
    accepts: ordinary,
    run: async ({ name }) => {
      const said = await asUser(process.execPath, child, name, mountpoint, elsewhere);
      return JSON.parse(said) as Outcome[];
    },
  };
}

const PREPARE = `
  mount -t tmpfs -o dev,mode=755 none "$1/dev"
  mknod -m 666 "$1/dev/fuse" c 10 229
  mount --bind "$1/dev/fuse" /dev/fuse
  mount --bind "$2" "$1/checkout"
  echo ready
  exec cat
`;

/** Lives as long as its first process, which ends with this one. @returns nsenter's arguments */
async function openNamespace(t: TestContext, root: string): Promise<string[]> {
  const own = ['--mount', '--propagation', 'private'];
  const script = ['bash', '-euo', 'pipefail', '-c', PREPARE, 'bash', root, checkout];
  const holder = spawn('unshare', [...own, ...script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return ['--target', String(holder.pid), '--mount'];
}
