/** One process per volume: the lock, what it says about its holder, and that a crash lets it go. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoralError, ExitCode } from '../../src/config/errors.js';
import { holderOf, isLocked, lockVolume } from '../../src/daemon/lock.js';

function volume(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-lock-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

test('two daemons never write one volume', async (context) => {
  const directory = volume(context);
  const lock = await lockVolume(directory, '/coral-reef');
  assert.equal(isLocked(directory), true);
  await assert.rejects(lockVolume(directory, '/other', 0), (error) => {
    assert.ok(error instanceof CoralError);
    assert.equal(error.exitCode, ExitCode.unusable);
    assert.match(error.message, new RegExp(`process ${process.pid}`));
    return error.message.includes(directory);
  });
  lock.release();
  assert.equal(isLocked(directory), false);
  (await lockVolume(directory, null, 0)).release();
});

test('a mount right after an unmount waits for the daemon that still writes', async (context) => {
  const directory = volume(context);
  const first = await lockVolume(directory, '/a');
  let released = false;
  const second = lockVolume(directory, '/b');
  await sleep(150);
  released = true;
  first.release();
  const lock = await second;
  assert.ok(released);
  assert.deepEqual(holderOf(directory), { pid: process.pid, mountpoint: '/b' });
  lock.release();
});

test('the lock of a killed process is free', async (context) => {
  const directory = volume(context);
  const child = spawn('flock', ['-x', join(directory, 'lock'), 'sleep', '600'], { detached: true });
  while (!isLocked(directory)) await sleep(20);
  await assert.rejects(lockVolume(directory, '/a', 0), CoralError);
  process.kill(-child.pid!, 'SIGKILL');
  (await lockVolume(directory, '/a')).release();
});

test('a lock file with rubbish in it does not matter', async (context) => {
  const directory = volume(context);
  writeFileSync(join(directory, 'lock'), 'x'.repeat(1000));
  assert.equal(holderOf(directory), undefined);
  const lock = await lockVolume(directory, '/a', 0);
  assert.equal(holderOf(directory)?.mountpoint, '/a');
  lock.release();
});
