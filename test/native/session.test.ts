/**
 * The native session on a real mount. Needs root and /dev/fuse. The mount is touched by child
 * processes only: this process serves it.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { native } from '../../src/native.js';
import { serveTiny, type TinyServer } from './tiny-server.js';

const run = promisify(execFile);
const MIB = 1 << 20;
const NAMES = ['plain-a', 'plain-b', 'passthrough-a', 'late-a', 'late-b', 'script-a'];

interface Mount {
  root: string;
  mountpoint: string;
  backing: string;
  server: TinyServer;
}

function mountTiny(contents: Record<string, Buffer>): Mount {
  const root = mkdtempSync(join(tmpdir(), 'coral-reef-session-'));
  const mountpoint = join(root, 'mnt');
  const backing = join(root, 'backing');
  mkdirSync(mountpoint);
  mkdirSync(backing);
  for (const [name, data] of Object.entries(contents)) writeFileSync(join(backing, name), data);
  const { fd } = native.mount('tiny', mountpoint, 'coral-test', 0, 'max_read=1048576');
  return { root, mountpoint, backing, server: serveTiny(fd, backing, NAMES) };
}

async function discard(mount: Mount): Promise<void> {
  await run('umount', ['-l', mount.mountpoint]).catch(() => undefined);
  await mount.server.session.stop();
  rmSync(mount.root, { recursive: true, force: true });
}

/** What a child process reads from `path`. */
async function readByChild(path: string): Promise<Buffer> {
  const { stdout } = await run('cat', [path], { encoding: 'buffer', maxBuffer: 64 * MIB });
  return stdout;
}

/** Writes `data` into `path` at `offset` from a child process. */
async function writeByChild(path: string, data: Buffer, offset: number): Promise<void> {
  const child = spawn(
    'dd',
    [
      `of=${path}`,
      'conv=notrunc',
      'oflag=seek_bytes',
      `seek=${offset}`,
      'bs=1M',
      'iflag=fullblock',
    ],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  );
  child.stdin.end(data);
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0);
}

function blockEventLoop(ms: number): void {
  const until = Date.now() + ms;
  while (Date.now() < until);
}

describe('native session', () => {
  const data = Object.fromEntries(
    NAMES.map((name, index) => [name, randomBytes(5 * MIB + 1234 * index + 1)]),
  );
  let mount: Mount;
  before(() => {
    mount = mountTiny(data);
  });
  after(() => discard(mount));

  const at = (name: string): string => join(mount.mountpoint, name);

  test('a file that native threads serve reads back byte for byte', async () => {
    assert.deepEqual(await readByChild(at('plain-a')), data['plain-a']);
    assert.ok(!mount.server.seen.includes(15), 'JavaScript saw a READ of a served inode');
  });

  test('bytes written to a served file are in its backing file', async () => {
    const patch = randomBytes(2 * MIB + 77);
    await writeByChild(at('plain-b'), patch, 4096 + 3);
    patch.copy(data['plain-b'], 4096 + 3);
    assert.deepEqual(readFileSync(join(mount.backing, 'plain-b')), data['plain-b']);
    assert.deepEqual(await readByChild(at('plain-b')), data['plain-b']);
    assert.ok(!mount.server.seen.includes(16), 'JavaScript saw a WRITE to a served inode');
  });

  test('a passthrough file is read and written by the kernel without us', async () => {
    assert.deepEqual(await readByChild(at('passthrough-a')), data['passthrough-a']);
    const patch = randomBytes(MIB);
    await writeByChild(at('passthrough-a'), patch, 10);
    patch.copy(data['passthrough-a'], 10);
    assert.deepEqual(readFileSync(join(mount.backing, 'passthrough-a')), data['passthrough-a']);
    assert.ok(!mount.server.seen.includes(15) && !mount.server.seen.includes(16));
  });

  test('a read that came before its inode was served is answered once it is', async () => {
    assert.deepEqual(await readByChild(at('late-a')), data['late-a']);
  });

  test('a write that came before its inode was served keeps its data', async () => {
    const patch = randomBytes(MIB + 5);
    await writeByChild(at('late-b'), patch, 99);
    patch.copy(data['late-b'], 99);
    assert.deepEqual(readFileSync(join(mount.backing, 'late-b')), data['late-b']);
  });

  test('a reply from JavaScript reaches the reader', async () => {
    assert.deepEqual(await readByChild(at('script-a')), data['script-a']);
  });

  test('an asynchronous handler may answer before it returns to the event loop', async () => {
    const { stdout } = await run('stat', ['-c', '%s', at('script-a')]);
    assert.equal(Number(stdout), data['script-a'].length);
  });

  test('reads go on while the event loop is blocked', async () => {
    const out = join(mount.root, 'progress');
    // O_DIRECT: each read is a request, none is answered from the page cache.
    const script = `
      const fs = require('fs');
      const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECT;
      const fd = fs.openSync(${JSON.stringify(at('plain-a'))}, flags);
      const buffer = Buffer.alloc(${MIB});
      process.stdout.write('ready');
      const until = Date.now() + 1500;
      while (Date.now() < until) {
        fs.readSync(fd, buffer, 0, ${MIB}, 0);
        fs.appendFileSync(${JSON.stringify(out)}, Date.now() + '\\n');
      }`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const closed = new Promise((resolve) => child.on('close', resolve));
    const from = Date.now();
    blockEventLoop(1000);
    const to = Date.now();
    const passes = readFileSync(out, 'utf8').trim().split('\n').map(Number);
    assert.ok(
      passes.some((time) => time > from + 500 && time < to),
      'no read ended meanwhile',
    );
    assert.equal(await closed, 0);
  });

  test('metadata works again after a blocked event loop', async () => {
    const lookups = Promise.all(NAMES.map((name) => run('stat', [at(name)])));
    blockEventLoop(200);
    await lookups;
    await assert.rejects(run('stat', [at('missing')]), /No such file/);
  });

  test('invalidating cached data shows what changed behind the mount', async () => {
    const path = join(mount.backing, 'plain-a');
    const ino = mount.server.inodes.get('plain-a')!;
    mount.server.session.invalidateInode(ino, 0, 0);
    mount.server.session.invalidateInode(12345, -1, 0);
    mount.server.session.invalidateEntry(1, Buffer.from('plain-a'));
    mount.server.session.invalidateEntry(1, Buffer.from('never-seen'));
    data['plain-a'] = randomBytes(data['plain-a'].length);
    writeFileSync(path, data['plain-a']);
    assert.deepEqual(await readByChild(at('plain-a')), data['plain-a']);
  });

  test('backing files that the kernel refuses are errors, not crashes', () => {
    assert.throws(() => mount.server.session.backingOpen(-1), { code: 'EBADF' });
    assert.throws(() => mount.server.session.backingClose(4711), { code: 'ENOENT' });
    assert.throws(() => mount.server.session.servePlain(2, -1), { code: 'EBADF' });
    assert.throws(() => mount.server.session.servePacked(2, {} as never), TypeError);
    assert.throws(() => mount.server.session.servePlain('2' as never, 0), TypeError);
  });
});

describe('end of a session', () => {
  test('an unmount ends the session without an error', async () => {
    const mount = mountTiny({ 'plain-a': Buffer.from('x') });
    await readByChild(join(mount.mountpoint, 'plain-a'));
    native.unmount(mount.mountpoint, false);
    assert.equal(await mount.server.ended, 0);
    await mount.server.session.stop();
    await mount.server.session.stop();
    mount.server.session.respond(1, 0);
    mount.server.session.retry(1);
    mount.server.session.unserve(2);
    mount.server.session.invalidateInode(2, 0, 0);
    assert.throws(() => mount.server.session.backingOpen(0), { code: 'ENODEV' });
    rmSync(mount.root, { recursive: true });
  });

  test('stopping the session of a live mount ends waiting readers', async () => {
    const mount = mountTiny({ 'script-a': Buffer.alloc(4096) });
    await mount.server.session.stop();
    await assert.rejects(run('stat', [join(mount.mountpoint, 'script-a')]));
    await discard(mount);
  });

  test('a process that exits with a live session does not crash', async () => {
    const root = mkdtempSync(join(tmpdir(), 'coral-reef-exit-'));
    const file = JSON.stringify(import.meta.url.replace('session.test.js', 'tiny-server.js'));
    const addon = JSON.stringify(new URL('../../src/native.js', import.meta.url).href);
    const script = `
      const { serveTiny } = await import(${file});
      const { native } = await import(${addon});
      const { fd } = native.mount('tiny', ${JSON.stringify(root)}, 'coral-test', 0, '');
      const server = serveTiny(fd, '/', ['plain-a']);
      server.session.servePlain(2, 0);
      setTimeout(() => process.exit(7), 50);`;
    const node = run(process.execPath, ['--input-type=module', '-e', script]);
    await assert.rejects(node, { code: 7, signal: null });
    await run('umount', [root]);
    rmSync(root, { recursive: true });
  });
});
