/**
 * Packed files served by the native session on a real mount. Needs root and /dev/fuse. The mount is
 * touched by child processes only: this process serves it.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { native, type PackedPlan } from '../../src/native.js';
import {
  noise,
  packData,
  randomFrom,
  temporaryDirectory,
  testSeed,
  text,
  USUAL,
} from './content-kit.js';
import { serveTiny, type TinyServer } from './tiny-server.js';

const run = promisify(execFile);
const MIB = 1 << 20;
const NAME = 'packed-a';

/** Mounts one packed file; unmounts at the end of the test. */
function mountPacked(t: TestContext, plan: PackedPlan): [string, TinyServer] {
  const directory = mkdtempSync(join(tmpdir(), 'coral-reef-packed-'));
  const mountpoint = join(directory, 'mnt');
  const backing = join(directory, 'backing');
  mkdirSync(mountpoint);
  mkdirSync(backing);
  writeFileSync(join(backing, NAME), '');
  truncateSync(join(backing, NAME), plan.size);
  const handle = native.openPlan(plan);
  const { fd } = native.mount('tiny', mountpoint, 'coral-test', 0, 'max_read=1048576');
  const server = serveTiny(fd, backing, [NAME], new Map([[NAME, handle]]));
  t.after(async () => {
    native.unmount(mountpoint, true);
    await server.session.stop();
    handle.close();
    rmSync(directory, { recursive: true });
  });
  return [join(mountpoint, NAME), server];
}

async function readByChild(path: string): Promise<Buffer> {
  const { stdout } = await run('cat', [path], { encoding: 'buffer', maxBuffer: 64 * MIB });
  return stdout;
}

test('a packed file reads back byte for byte, zeros and the odd end included', async (t) => {
  const directory = temporaryDirectory(t);
  const random = randomFrom(testSeed(t));
  const parts = [noise(3 * MIB, random), Buffer.alloc(2 * MIB), text(2 * MIB + 77, random)];
  const data = Buffer.concat(parts);
  const packed = await packData(directory, data, { level: 3, limits: USUAL, seal: true });
  const [path, server] = mountPacked(t, packed.plan);
  assert.ok((await readByChild(path)).equals(data));
  const blocks = ['bs=4k', 'skip=1000', 'count=300', 'status=none', 'iflag=direct'];
  const { stdout } = await run('dd', [`if=${path}`, ...blocks], {
    encoding: 'buffer',
    maxBuffer: 64 * MIB,
  });
  assert.ok(stdout.equals(data.subarray(4096 * 1000, 4096 * 1300)));
  assert.deepEqual(server.damages, []);
});

test('a damaged chunk is EIO to its reader and reported, the rest still reads', async (t) => {
  const directory = temporaryDirectory(t);
  const data = noise(4 * MIB, randomFrom(testSeed(t)));
  const packed = await packData(directory, data, { limits: USUAL, seal: true });
  const bad = packed.plan.lengths.length - 1;
  const bytes = readFileSync(packed.packPath);
  bytes[packed.plan.offsets[bad] + packed.plan.stored[bad] - 1] ^= 1;
  writeFileSync(packed.packPath, bytes);
  const [path, server] = mountPacked(t, packed.plan);
  const read = (...blocks: string[]) =>
    run('dd', [`if=${path}`, 'of=/dev/null', 'iflag=direct', 'bs=1M', ...blocks]);
  await read('count=1');
  await assert.rejects(read('skip=3'), /Input\/output error/);
  const [damage] = server.damages;
  assert.equal(damage.ino, server.inodes.get(NAME));
  assert.equal(damage.chunk, bad);
  assert.equal(damage.packPath, packed.packPath);
  assert.notEqual(damage.reason, '');
});
