/** Long files that are read back while they are written, some 256 MiB behind. They are mostly holes: what lies between counts as written. */
import assert from 'node:assert/strict';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { type CheckedCopy, type CopyControl, native } from '../../src/native.js';
import {
  noise,
  packData,
  randomFrom,
  smallFilesystem,
  storeFile,
  temporaryDirectory,
  testSeed,
  USUAL,
  withFile,
} from './content-kit.js';

const MIB = 1 << 20;
const SIZE = 640 * MIB;
/** Where data lies, each 1 MiB: the last ones while the first are read back. */
const PIECES = [0, 3, 40, 300, 301, 350, 500, 600].map((at) => at * MIB);

function storePieces(t: TestContext, directory: string): string {
  const path = storeFile(directory, 'source', Buffer.alloc(0));
  const random = randomFrom(testSeed(t));
  const fd = openSync(path, 'r+');
  for (const at of PIECES) writeSync(fd, noise(MIB, random), 0, MIB, at);
  closeSync(fd);
  truncateSync(path, SIZE);
  return path;
}

function copy(source: string, target: string, control?: CopyControl): Promise<CheckedCopy> {
  return withFile(source, 'r', (from) =>
    withFile(target, 'w+', (to) => native.copyFile(from, to, control, true)),
  );
}

/** Until so many bytes are done: those that are copied, and up to 256 MiB less that are read back. */
async function untilDone(control: CopyControl, bytes: number): Promise<void> {
  while (control.done < bytes) await delay(1);
}

function slowly(t: TestContext, rate: number): void {
  t.after(() => native.setBackgroundRate(Infinity));
  native.setBackgroundRate(rate);
}

test('a long copy reads back as what was copied', async (t) => {
  const directory = temporaryDirectory(t);
  const source = storePieces(t, directory);
  const control = native.createCopyControl();
  const copied = await copy(source, join(directory, 'target'), control);
  assert.deepEqual(copied.found, copied.digest);
  assert.equal(control.done, 2 * SIZE);
  for (const name of ['source', 'target']) {
    const { bytes, digest } = await withFile(join(directory, name), 'r', (fd) =>
      native.digestFile(fd),
    );
    assert.deepEqual({ bytes, digest }, { bytes: SIZE, digest: copied.digest }, name);
  }
});

test('a long packed file that is made plain reads back as what was packed', async (t) => {
  const directory = temporaryDirectory(t);
  const data = Buffer.alloc(350 * MIB);
  const random = randomFrom(testSeed(t));
  for (const at of PIECES.filter((piece) => piece < data.length)) noise(MIB, random).copy(data, at);
  const { plan, cut } = await packData(directory, data, { limits: USUAL });
  const handle = native.openPlan(plan);
  const target = join(directory, 'target');
  const { bytes, digest, found } = await withFile(target, 'w+', (fd) =>
    native.hydrate(handle, fd, undefined, true),
  );
  assert.equal(bytes, data.length);
  assert.deepEqual([digest.toString('hex'), found.toString('hex')], [cut.digest, cut.digest]);
});

test('what is other than it was written is noticed, whether it is read back meanwhile or in the end', async (t) => {
  const directory = temporaryDirectory(t);
  const source = storePieces(t, directory);
  const target = join(directory, 'target');
  for (const [damaged, after] of [
    [1000, 40 * MIB],
    [350 * MIB, 608 * MIB],
  ]) {
    slowly(t, 8 * MIB);
    const control = native.createCopyControl();
    const copying = copy(source, target, control);
    await untilDone(control, after);
    const fd = openSync(target, 'r+');
    writeSync(fd, 'rotten', damaged);
    closeSync(fd);
    native.setBackgroundRate(Infinity);
    const { digest, found } = await copying;
    assert.notDeepEqual(found, digest, `at ${damaged}`);
  }
});

test('where writing fails or is cancelled, reading back ends too', async (t) => {
  const directory = temporaryDirectory(t);
  const source = storePieces(t, directory);
  const small = join(smallFilesystem(t, '5m'), 'target');
  await assert.rejects(copy(source, small), { code: 'ENOSPC' });
  slowly(t, 4 * MIB);
  const control = native.createCopyControl();
  const cancelled = assert.rejects(copy(source, join(directory, 'target'), control), {
    code: 'ECANCELED',
  });
  await untilDone(control, 352 * MIB);
  control.cancel();
  await cancelled;
});
