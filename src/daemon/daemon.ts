/**
 * The daemon of one mounted volume: start, serve, stop.
 *
 * Start: 1. the parts (parts.ts); 2. the kernel mount; 3. the channel, until the kernel's handshake;
 * 4. read-ahead; 5. the control socket.
 *
 * Stop, after the mount is gone (umount, Ctrl-C, SIGTERM, a broken connection): the control socket, the
 * channel, migration with its planner, open files settled, the content store, every tier flushed, the
 * namespace committed and copied to the tiers, the store, the lock. Each step runs even if the one before failed.
 * A signal asks the kernel to unmount and waits; open files are given some time, then cut off: what was
 * written is safe either way, because the flush comes after.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CoralError, ExitCode } from '../config/errors.js';
import { bytesOf, mountAt, readMounts } from '../config/mountinfo.js';
import { formatDuration } from '../config/units.js';
import { native } from '../native.js';
import type { Log } from '../observe/log.js';
import { configuredTiers } from '../tiers/tier-set.js';
import { waitForTiers } from '../tiers/waiting.js';
import { openChannel } from './channels.js';
import { createDamageControl } from './damage.js';
import { openControl } from './control.js';
import { detach, isMounted, raiseReadAhead } from './kernel-mount.js';
import { openParts, type Parts } from './parts.js';
import { keepNamespaceCopies } from './namespace-copies.js';
import type { MountPlan } from './preflight.js';
import { createHandlers } from './requests/index.js';
import { createTeardown, type Teardown } from './teardown.js';

/** How long files may stay open after a signal before the mount is cut off. */
const OPEN_FILES_GRACE_MS = 30_000;

export interface Daemon {
  /** Resolves with the exit code once everything is closed. */
  ended: Promise<ExitCode>;
  /** Asks for an orderly end; the second call does not wait for open files. */
  stop(reason: string): void;
}

/** Whoever waits for the start. */
export interface Start {
  say(message: string): void;
  /** Ends the wait for tiers. */
  signal: AbortSignal;
}

/** Resolves when the mount serves. @throws CoralError, WaitEnded; nothing is left behind then */
export async function startDaemon(plan: MountPlan, log: Log, start: Start): Promise<Daemon> {
  const teardown = createTeardown(log);
  try {
    const parts = await openParts(plan, log, teardown, () => tiersArrive(plan, log, start));
    clearLeftover(plan, log);
    const connection = await connect(parts, teardown);
    raiseReadAhead(plan.mountpoint, log);
    const stopping = native.createCopyControl();
    const handlers = createHandlers(parts, stopping);
    const control = await openControl(plan.directory, handlers, log);
    teardown.add('close the control socket', () => control.close());
    teardown.add('end checks', () => stopping.cancel());
    const copies = keepNamespaceCopies(parts);
    teardown.add('end copying the namespace', () => copies.stop());
    log.info({ volume: plan.directory, mountpoint: plan.mountpoint }, 'mounted');
    return daemonOf(plan, connection, teardown, log);
  } catch (error) {
    await teardown.run();
    throw error;
  }
}

function tiersArrive(plan: MountPlan, log: Log, { say, signal }: Start): Promise<void> {
  const { volume, settings } = plan;
  const tiers = configuredTiers({ volume, overrides: settings.tierDirectories });
  const limit = formatDuration(settings.waitForTiersMs);
  return waitForTiers(tiers, volume.id, settings.waitForTiersMs, signal, (problems) => {
    log.info({ problems, limit }, 'waiting for tiers');
    say(`coral-reef: ${plan.directory}: waiting up to ${limit}: ${problems.join('; ')}`);
  });
}

interface Connection {
  /** Resolves when the kernel's side ended: 0, or an errno. */
  ended: Promise<number>;
  /** Ends it from this side, whatever is open. */
  cutOff(): void;
}

/** Mounts and waits for the handshake. */
async function connect(parts: Parts, teardown: Teardown): Promise<Connection> {
  const { plan, filesystem, log } = parts;
  const { directory, mountpoint } = plan;
  const ended = deferred<number>();
  const ready = deferred<boolean>();
  teardown.add('take the mount away', () => {
    if (isMounted(mountpoint, directory)) detach(mountpoint);
  });
  const channel = openChannel(parts, {
    onReady: (passthrough, features) => {
      filesystem.setPassthrough(passthrough);
      log.info({ features, passthrough }, 'the kernel is connected');
      ready.resolve(true);
    },
    onEnd: (errno) => {
      ended.resolve(errno);
      ready.reject(brokenEarly(mountpoint, errno));
    },
    onDamage: createDamageControl(parts),
  });
  const stop = once(() => channel.stop());
  teardown.add('stop the channel', stop);
  filesystem.attach(channel.server);
  channel.start();
  await ready.promise;
  const cutOff = () => void stop().finally(() => ended.resolve(0));
  return { ended: ended.promise, cutOff };
}

function daemonOf(plan: MountPlan, connection: Connection, teardown: Teardown, log: Log): Daemon {
  let stopping = false;
  const ended = connection.ended.then(async (errno) => {
    log.info({ errno }, 'the mount ended; making everything durable');
    const { failed } = await teardown.run();
    log.info({ failed }, 'stopped');
    return failed.length === 0 ? ExitCode.done : ExitCode.failed;
  });
  return {
    ended,
    stop(reason) {
      log.info({ reason }, 'asked to stop');
      if (stopping) connection.cutOff();
      else unmountFromOutside(plan, log, connection.cutOff);
      stopping = true;
    },
  };
}

/**
 * Another process unmounts: the kernel may need answers from this one meanwhile. Where files are open the
 * mount is hidden at once, and cut off after a while.
 */
function unmountFromOutside(plan: MountPlan, log: Log, cutOff: () => void): void {
  const unmount = (flags: string[], failed: () => void) => {
    const main = fileURLToPath(new URL('../main.js', import.meta.url));
    const words = [main, 'unmount', '--no-wait', ...flags, plan.mountpoint];
    const child = spawn(process.execPath, words, { stdio: 'ignore', cwd: '/' });
    child.once('error', failed);
    child.once('exit', (code) => {
      if (code !== 0) failed();
    });
  };
  unmount([], () => {
    log.warn('files are open: waiting for them to be closed; a second signal cuts them off');
    unmount(['--lazy'], cutOff);
    setTimeout(cutOff, OPEN_FILES_GRACE_MS).unref();
  });
}

/** A dead mount of this volume at its mount point: its daemon is gone, for the lock is ours. */
function clearLeftover(plan: MountPlan, log: Log): void {
  if (plan.leftover === undefined) return;
  const there = mountAt(readMounts(), bytesOf(plan.mountpoint));
  if (there?.device !== plan.leftover.device) return;
  log.warn({ mountpoint: plan.mountpoint }, 'taking away the mount of a daemon that is gone');
  detach(plan.mountpoint);
}

function brokenEarly(mountpoint: string, errno: number): CoralError {
  const why = errno === 0 ? 'it was unmounted at once' : `errno ${errno}`;
  return new CoralError(
    ExitCode.failed,
    `${mountpoint}: the kernel ended the connection before it served: ${why}`,
  );
}

/** The first call's promise for every call. */
function once(act: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= act());
}

interface Deferred<Value> {
  promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: Error): void;
}

function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<Value>((onValue, onError) => {
    resolve = onValue;
    reject = onError;
  });
  promise.catch(() => undefined);
  return { promise, resolve: (value) => resolve(value), reject: (error) => reject(error) };
}
