/**
 * The lock of a volume: `<volume>/lock`, held by flock for as long as a process uses the volume, so that a
 * crash lets it go. Its content says who holds it, for messages.
 */
import { closeSync, constants, existsSync, ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoralError, errnoName, ExitCode, reasonOf } from '../config/errors.js';
import { bytesOf, isCoralReef, readMounts, shown, type MountEntry } from '../config/mountinfo.js';
import { native } from '../native.js';

export interface VolumeLock {
  release(): void;
}

export interface Holder {
  pid: number;
  /** Null for a check that runs without a mount. */
  mountpoint: string | null;
}

/** A daemon that was just unmounted may still be making things durable. */
const PATIENCE_MS = 10_000;
const STEP_MS = 100;

/**
 * Takes the lock of a volume directory (without symbolic links). Waits for a holder that has lost its
 * mount. @throws CoralError `unusable` where another one has it
 */
export async function lockVolume(
  volume: string,
  mountpoint: string | null,
  patienceMs = PATIENCE_MS,
): Promise<VolumeLock> {
  const fd = openLock(volume);
  try {
    const until = Date.now() + patienceMs;
    while (!native.lockFile(fd)) {
      const mount = mountOfVolume(volume);
      if (mount !== undefined || Date.now() >= until) throw held(volume, mount);
      await sleep(STEP_MS);
    }
    signLock(fd, { pid: process.pid, mountpoint });
    return { release: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** On a full disk messages do without: over what is there before it is cut, since that needs no room. */
function signLock(fd: number, holder: Holder): void {
  const text = `${JSON.stringify(holder)}\n`;
  try {
    writeSync(fd, text, 0);
    ftruncateSync(fd, Buffer.byteLength(text));
  } catch (error) {
    if (errnoName(error) !== 'ENOSPC' && errnoName(error) !== 'EDQUOT') throw error;
  }
}

/** True while some process uses the volume. */
export function isLocked(volume: string): boolean {
  const fd = openLock(volume);
  try {
    return !native.lockFile(fd);
  } finally {
    closeSync(fd);
  }
}

/** @throws CoralError as `lockVolume` does, at once; takes nothing */
export function mustBeFree(volume: string): void {
  if (existsSync(`${volume}/lock`) && isLocked(volume)) throw held(volume, mountOfVolume(volume));
}

/** Who wrote the lock file last, or undefined. */
export function holderOf(volume: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(`${volume}/lock`, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

/** The mount that this volume is served at, if there is one. */
export function mountOfVolume(volume: string): MountEntry | undefined {
  const source = bytesOf(volume);
  return readMounts().find((entry) => isCoralReef(entry) && entry.source === source);
}

function openLock(volume: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  try {
    return native.openSync(`${volume}/lock`, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw new CoralError(
      ExitCode.unusable,
      `${volume}: the volume can't be locked: ${reasonOf(error)}. It must be writable`,
      { cause: error },
    );
  }
}

function held(volume: string, mount: MountEntry | undefined): CoralError {
  const holder = holderOf(volume);
  if (mount !== undefined) {
    const at = shown(mount.mountpoint);
    return new CoralError(
      ExitCode.unusable,
      `${volume}: it is mounted already, at ${at}. Use it there, or unmount it: umount ${at}`,
    );
  }
  const pid = holder === undefined ? '' : ` (process ${holder.pid})`;
  return new CoralError(
    ExitCode.unusable,
    `${volume}: another Coral Reef process${pid} uses this volume. Wait until it ends, or end it`,
  );
}
