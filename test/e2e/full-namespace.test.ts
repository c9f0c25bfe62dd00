/** A full disk under the volume's directory: the volume is mounted all the same, so that somebody can make room. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { must, waitFor } from '../../scripts/lib/process.js';
import { mountImage } from '../loop-filesystem.js';
import { MiB, noise, put } from './content.js';
import { createPlace, TIERS, type TestVolume } from './harness.js';

const OPTIONS = ['promote=never', 'settle=1s', 'cold-after=1h'];
const BLOCK = 4096;

/** A volume whose directory is a disk of its own, with two files, cleanly unmounted. */
async function smallVolume(context: TestContext): Promise<TestVolume> {
  const volume = await createPlace(context);
  for (const name of TIERS) await mkdir(volume.tier(name));
  await mkdir(volume.path);
  mountImage('ext4', join(volume.root, 'image'), volume.path, 40 * MiB, ['-m0']);
  rmdirSync(join(volume.path, 'lost+found'));
  await volume.init({});
  await volume.mount(OPTIONS);
  await put(volume.at('kept.bin'), noise(MiB));
  await put(volume.at('deleted.bin'), noise(MiB, 2));
  await volume.unmount();
  return volume;
}

/**
 * Fills the disk. The database has no free pages in it, since it is the compact copy of a tier, and the log ends with a
 * block: neither takes anything any more.
 */
function fill(volume: TestVolume): void {
  const copy = join(volume.tier('nvme'), '.coral-reef/namespace-copy/data.mdb');
  copyFileSync(copy, join(volume.path, 'namespace/data.mdb'));
  for (const name of ['daemon.log', 'daemon.stderr']) {
    const log = join(volume.path, 'log', name);
    appendFileSync(log, ' '.repeat(BLOCK - 1 - (statSync(log).size % BLOCK)) + '\n');
  }
  const fd = openSync(join(volume.path, 'filler'), 'w');
  for (const length of [MiB, BLOCK]) {
    try {
      for (;;) writeSync(fd, Buffer.alloc(length, 1));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      fsyncSync(fd);
    }
  }
  closeSync(fd);
}

const makeRoom = (volume: TestVolume): void => rmSync(join(volume.path, 'filler'));

async function problemsOf(volume: TestVolume): Promise<string> {
  return (await volume.status()).problems.join();
}

test('a volume whose own disk is full is mounted, says so, and goes on once there is room', async (t) => {
  const volume = await smallVolume(t);
  fill(volume);
  await volume.mount(OPTIONS);
  assert.match(await problemsOf(volume), /nothing becomes durable: no space left/);
  assert.deepEqual((await readFile(volume.at('kept.bin'))).length, MiB);
  await rm(volume.at('deleted.bin'));
  assert.deepEqual(await readdir(volume.mountpoint), ['kept.bin']);
  const before = await volume.tierBytes('nvme');
  makeRoom(volume);
  await waitFor('the deletion is durable', async () => (await problemsOf(volume)) === '');
  await waitFor('its bytes are given back', async () => {
    return (await volume.tierBytes('nvme')) < before - MiB / 2;
  });
  await writeFile(volume.at('new'), 'new', { flush: true });
  await volume.killDaemon();
  await volume.removeDeadMount();
  await volume.mount(OPTIONS);
  assert.deepEqual((await readdir(volume.mountpoint)).sort(), ['kept.bin', 'new']);
});

test('a volume whose own disk is full is mounted read-only', async (t) => {
  const volume = await smallVolume(t);
  fill(volume);
  await volume.mount(['ro']);
  assert.deepEqual((await readFile(volume.at('deleted.bin'))).length, MiB);
});

test('a crash of a mount on a full disk leaves nothing behind', async (t) => {
  const volume = await smallVolume(t);
  fill(volume);
  await volume.mount(OPTIONS);
  await assert.rejects(writeFile(volume.at('refused'), 'x'), { code: 'ENOSPC' });
  await volume.killDaemon();
  await volume.removeDeadMount();
  makeRoom(volume);
  await volume.mount(OPTIONS);
  assert.deepEqual((await readdir(volume.mountpoint)).sort(), ['deleted.bin', 'kept.bin']);
  const files = await must('find', [volume.tier('nvme'), '-path', '*/files/*', '-type', 'f']);
  assert.equal(files.trim().split('\n').length, 2);
});
