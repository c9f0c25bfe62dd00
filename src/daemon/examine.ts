/** What `doctor` looks at: facts of the kernel, of FUSE and of the tiers, and what each means here. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { descriptorLimit } from '../config/descriptor-limit.js';
import { bytesOf, isCoralReef, mountAt, mountOf, readMounts, shown } from '../config/mountinfo.js';
import { reasonOf } from '../config/errors.js';
import { readVolume } from '../tiers/volume.js';
import { canShareExtents } from '../tiers/tier-set.js';
import type { TierConfig } from '../tiers/types.js';

export interface Finding {
  subject: string;
  /** `bad` keeps it from working, `note` makes it slower or less comfortable. */
  state: 'ok' | 'note' | 'bad';
  found: string;
  /** What it means and what to do; empty where there is nothing to say. */
  means: string;
}

const CAP_SYS_ADMIN = 21;
const CAP_SYS_RESOURCE = 24;
const ENOUGH_FILES = 65_536;
const ENOUGH_PAGES = 256;
/** A backing file must not lie on a filesystem that itself lies on another one. */
const STACKED = ['overlay', 'ecryptfs', 'fuse'];

/** `place` is a volume or a mount point; without it the tiers of every mounted volume are looked at. */
export async function examine(place: string | undefined): Promise<Finding[]> {
  const user = mountingUser(place);
  const machine = [
    kernel(),
    device(),
    helper(),
    passthrough(user),
    openFiles(),
    pages(),
    systemd(),
  ];
  const volumes = place === undefined ? mountedVolumes() : [volumeAt(place)];
  const tiers: Finding[] = [];
  for (const volume of volumes) tiers.push(...(await tiersOf(volume)));
  return [...machine, ...tiers];
}

/** True for `major.minor` of the running kernel or later. */
export function kernelAtLeast(version: string, major: number, minor: number): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(first) > major || (Number(first) === major && Number(second) >= minor);
}

function kernel(): Finding {
  const version = release();
  if (kernelAtLeast(version, 6, 9)) return finding('kernel', 'ok', version);
  const works = kernelAtLeast(version, 5, 4);
  return finding(
    'kernel',
    works ? 'note' : 'bad',
    version,
    works
      ? 'Older than 6.9: no passthrough, plain files are read and written through the daemon.'
      : 'Older than 5.4: its FUSE is too old. Upgrade the kernel.',
  );
}

function device(): Finding {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return finding('/dev/fuse', 'ok', 'readable and writable');
  } catch (error) {
    const means = existsSync('/dev/fuse')
      ? 'This user may not use FUSE. Run as root, or correct the rights of /dev/fuse.'
      : 'Load the module: modprobe fuse. In a container: --device /dev/fuse --cap-add SYS_ADMIN.';
    return finding('/dev/fuse', 'bad', reasonOf(error), means);
  }
}

function helper(): Finding {
  const path = ['/usr/bin', '/bin', '/usr/local/bin', '/sbin', '/usr/sbin']
    .map((directory) => join(directory, 'fusermount3'))
    .find((candidate) => existsSync(candidate));
  if (path !== undefined) return finding('fusermount3', 'ok', path);
  const means =
    'Users other than root can not mount, and mount -t fuse.coral-reef is unknown: install fuse3.';
  return finding('fusermount3', isRoot() ? 'note' : 'bad', 'not found', means);
}

/** Who mounted what lies there; undefined for root and where nothing is mounted. */
function mountingUser(place: string | undefined): string | undefined {
  const entry = place === undefined ? undefined : mountAt(readMounts(), bytesOf(place));
  const word = entry?.superOptions.find((option) => /^user_id=[1-9]/.test(option));
  return isCoralReef(entry) ? word?.slice('user_id='.length) : undefined;
}

function passthrough(user: string | undefined): Finding {
  if (!kernelAtLeast(release(), 6, 9)) {
    return finding('passthrough', 'note', 'not possible', 'It needs Linux 6.9 or later.');
  }
  if (user !== undefined) {
    const means = `User ${user} mounted it: plain files go through the daemon. Root's mounts may use it.`;
    return finding('passthrough', 'note', 'not permitted', means);
  }
  if (hasCapability(CAP_SYS_ADMIN)) return finding('passthrough', 'ok', 'possible');
  const means =
    'It needs CAP_SYS_ADMIN: mount as root. Otherwise plain files go through the daemon.';
  return finding('passthrough', 'note', 'not permitted', means);
}

function openFiles(): Finding {
  const count = descriptorLimit();
  const hard = count === Infinity ? 'unlimited' : String(count);
  if (count >= ENOUGH_FILES) return finding('open files', 'ok', `limit ${hard}`);
  const raise = hasCapability(CAP_SYS_RESOURCE) ? '' : ' This process may not raise it itself.';
  const means = `Below ${ENOUGH_FILES}: fewer files can be open at once. Raise LimitNOFILE or ulimit -n.${raise}`;
  return finding('open files', 'note', `limit ${hard}`, means);
}

function pages(): Finding {
  const text = readText('/proc/sys/fs/fuse/max_pages_limit')?.trim();
  const subject = 'fs.fuse.max_pages_limit';
  if (text === undefined) {
    return finding(
      subject,
      'ok',
      'not there',
      'This kernel has a fixed limit of 256 pages, 1 MiB.',
    );
  }
  if (Number(text) >= ENOUGH_PAGES) return finding(subject, 'ok', text);
  const means = `Requests are smaller than 1 MiB and packed files slower: sysctl fs.fuse.max_pages_limit=${ENOUGH_PAGES}`;
  return finding(subject, 'note', text, means);
}

function systemd(): Finding {
  if (existsSync('/run/systemd/system')) return finding('systemd', 'ok', 'running');
  const means = 'Mount units do not work here; fstab with mount -a and the command line do.';
  return finding('systemd', 'note', 'not running', means);
}

function mountedVolumes(): string[] {
  return readMounts()
    .filter(isCoralReef)
    .map((entry) => shown(entry.source));
}

function volumeAt(place: string): string {
  const entry = mountAt(readMounts(), bytesOf(place));
  return isCoralReef(entry) ? shown(entry.source) : place;
}

async function tiersOf(volume: string): Promise<Finding[]> {
  try {
    const { tiers } = await readVolume(volume);
    return await Promise.all(tiers.map((tier) => tierFinding(tier, isWritten(volume))));
  } catch (error) {
    return [finding(`volume ${volume}`, 'bad', reasonOf(error))];
  }
}

/** A volume that is mounted read-only is left untouched. */
function isWritten(volume: string): boolean {
  const mounts = readMounts().filter((one) => isCoralReef(one) && one.source === bytesOf(volume));
  return !mounts.some(({ options, superOptions }) => [...options, ...superOptions].includes('ro'));
}

async function tierFinding(tier: TierConfig, mayTry: boolean): Promise<Finding> {
  const subject = `tier ${tier.name}`;
  const directory = statSync(tier.path, { throwIfNoEntry: false });
  if (directory === undefined || !existsSync(join(tier.path, '.coral-reef'))) {
    const means = 'Its disk is not mounted there: mount it, or say -o tier.NAME=DIR.';
    return finding(subject, 'bad', `${tier.path} holds no tier`, means);
  }
  const type = mountOf(readMounts(), bytesOf(tier.path))?.type ?? 'unknown';
  const shares = mayTry && (await canShareExtents(tier.path));
  const found = `${tier.path}, ${tier.medium}, ${type}${shares ? ', plain files share equal blocks' : ''}`;
  if (STACKED.some((name) => type === name || type.startsWith(`${name}.`))) {
    const means = 'The kernel refuses passthrough to a stacked filesystem: use a disk filesystem.';
    return finding(subject, 'note', found, means);
  }
  return finding(subject, 'ok', found);
}

function hasCapability(bit: number): boolean {
  const status = readText('/proc/self/status') ?? '';
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  return ((effective >> BigInt(bit)) & 1n) === 1n;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function finding(subject: string, state: Finding['state'], found: string, means = ''): Finding {
  return { subject, state, found, means };
}
