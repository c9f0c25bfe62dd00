/** `unmount`: take a mount away, and return when its daemon has made everything durable. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CoralError, ExitCode, errnoName, reasonOf } from '../config/errors.js';
import { bytesOf, isCoralReef, mountAt, readMounts } from '../config/mountinfo.js';
import { mountpointPath } from '../daemon/mount-request.js';
import { namedMount, type Mounted } from './locate.js';
import type { Output } from './output.js';
import type { Invocation, Verb } from './verb.js';

const POLL_MS = 50;
const SPEAK_AFTER_MS = 5000;

export const unmountVerb: Verb = {
  name: 'unmount',
  usage: 'MOUNTPOINT',
  summary: 'take the mount away; returns when everything is durable',
  flags: {
    lazy: { type: 'boolean', short: 'l', help: 'hide it now, end when the last file is closed' },
    'no-wait': { type: 'boolean', help: 'do not wait for the daemon' },
  },
  arity: [1, 1],
  run: unmount,
};

async function unmount(invocation: Invocation): Promise<ExitCode> {
  const { output } = invocation;
  const mount = namedMount(mountpointPath(invocation.positionals[0]));
  requireMountpoint(mount, mountpointPath(invocation.positionals[0]));
  await detach(mount, invocation.has('lazy'));
  if (!invocation.has('no-wait') && !invocation.has('lazy')) await daemonEnded(mount, output);
  output.result({ mountpoint: mount.mountpoint, volume: mount.volume, unmounted: true }, () => []);
  return ExitCode.done;
}

/** A path inside a mount is not the mount. */
function requireMountpoint({ mountpoint }: Mounted, typed: string): void {
  if (isCoralReef(mountAt(readMounts(), bytesOf(typed)))) return;
  throw new CoralError(
    ExitCode.usage,
    `${typed}: this is inside a mount, not a mount point. Unmount ${mountpoint}`,
  );
}

async function detach({ mountpoint }: Mounted, lazy: boolean): Promise<void> {
  const { native } = await import('../native.js');
  try {
    native.unmount(mountpoint, lazy);
  } catch (error) {
    const busy = errnoName(error) === 'EBUSY' || /busy/i.test((error as Error).message);
    const remedy = busy
      ? `Close what uses it (fuser -vm ${mountpoint} shows it), or: ` +
        `coral-reef unmount --lazy ${mountpoint}`
      : 'Unmount as the user who mounted it, or as root';
    const why = busy ? 'files on it are in use' : reasonOf(error);
    throw new CoralError(
      ExitCode.failed,
      `${mountpoint}: it can't be unmounted: ${why}. ${remedy}`,
      { cause: error },
    );
  }
}

/** The daemon lets the volume's lock go as its last step. Not for ever: it may serve other readers. */
async function daemonEnded({ volume }: Mounted, output: Output): Promise<void> {
  const { isLocked } = await import('../daemon/lock.js');
  const locked = () => {
    try {
      return isLocked(volume);
    } catch {
      return false;
    }
  };
  const start = Date.now();
  let spoke = false;
  while (locked()) {
    if (!spoke && Date.now() - start > SPEAK_AFTER_MS) {
      spoke = true;
      output.say(`coral-reef: ${volume}: waiting for its daemon to make everything durable`);
    }
    await sleep(POLL_MS);
  }
}
