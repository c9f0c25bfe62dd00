/** copy_file_range, clones, sendfile, splice: copying in the kernel. */
import assert from 'node:assert/strict';
import { stat } from './system/attributes.js';
import { call } from './system/calls.js';
import * as files from './system/files.js';
import { close, copyFileRange, createFile, O, open, pread, withOpen } from './system/files.js';
import { map } from './system/memory.js';
import { anyone, fails, type Case, type Env, type Family } from './cases.js';
import { contentOf, later } from './kit.js';

const PACKED = { packed: true };
const LETTERS = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join(
  '',
);

/** A closed source in the form of the place, and a target, both open. */
async function pair(dir: string, env: Env): Promise<[number, number]> {
  createFile(`${dir}/from`, LETTERS);
  createFile(`${dir}/to`, 'T'.repeat(100));
  await env.settle(`${dir}/from`);
  return [open(`${dir}/from`, O.RDONLY), open(`${dir}/to`, O.RDWR)];
}

const ranges: Case[] = [
  anyone(
    'copy_file_range copies between files and tells times',
    async (dir, env) => {
      const [from, to] = await pair(dir, env);
      const before = stat(`${dir}/to`);
      later();
      assert.equal(copyFileRange(from, 100, to, 50, 10_000), 10_000);
      const after = stat(`${dir}/to`);
      assert.equal(after.size, 10_050);
      assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
      [from, to].forEach(close);
      assert.equal(contentOf(`${dir}/to`), 'T'.repeat(50) + LETTERS.slice(100, 10_100));
      assert.equal(stat(`${dir}/to`).size, 10_050);
    },
    PACKED,
  ),
  anyone(
    'copy_file_range ends at the end of the source',
    async (dir, env) => {
      const [from, to] = await pair(dir, env);
      assert.equal(copyFileRange(from, 19_990, to, 0, 1000), 10);
      assert.equal(copyFileRange(from, 20_000, to, 0, 1000), 0);
      assert.equal(copyFileRange(from, 30_000, to, 0, 1000), 0);
      assert.equal(copyFileRange(from, 0, to, 0, 0), 0);
      [from, to].forEach(close);
    },
    PACKED,
  ),
  anyone(
    'copy_file_range moves the positions of descriptors',
    async (dir, env) => {
      const [from, to] = await pair(dir, env);
      files.lseek(from, 26, files.SEEK.SET);
      assert.equal(copyFileRange(from, null, to, null, 26), 26);
      assert.equal(files.lseek(from, 0, files.SEEK.CUR), 52);
      assert.equal(files.lseek(to, 0, files.SEEK.CUR), 26);
      [from, to].forEach(close);
    },
    PACKED,
  ),
  anyone(
    'copy_file_range within a file, but not onto itself',
    async (dir, env) => {
      createFile(`${dir}/a`, LETTERS);
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDWR, (fd) => {
        assert.equal(copyFileRange(fd, 0, fd, 10_000, 5000), 5000);
        fails('EINVAL', () => copyFileRange(fd, 0, fd, 100, 5000));
      });
      const wanted = LETTERS.slice(0, 10_000) + LETTERS.slice(0, 5000) + LETTERS.slice(15_000);
      assert.equal(contentOf(`${dir}/a`), wanted);
    },
    PACKED,
  ),
  anyone('copy_file_range refuses what ext4 refuses', (dir) => {
    createFile(`${dir}/a`, LETTERS);
    createFile(`${dir}/b`);
    const [from, to] = [open(`${dir}/a`, O.RDONLY), open(`${dir}/b`, O.WRONLY)];
    const appending = open(`${dir}/b`, O.WRONLY | O.APPEND);
    const directory = open(dir, O.RDONLY);
    fails('EBADF', () => copyFileRange(to, 0, to, 0, 10));
    fails('EBADF', () => copyFileRange(from, 0, from, 0, 10));
    fails('EBADF', () => copyFileRange(from, 0, appending, 0, 10));
    fails('EISDIR', () => copyFileRange(directory, 0, to, 0, 10));
    fails('EOVERFLOW', () => copyFileRange(from, -1, to, 0, 10));
    [from, to, appending, directory].forEach(close);
  }),
  anyone('copy_file_range sees what mappings wrote, and mappings see what it copied', (dir) => {
    createFile(`${dir}/a`, LETTERS);
    createFile(`${dir}/b`, 'b'.repeat(20_000));
    const [from, to] = [open(`${dir}/a`, O.RDWR), open(`${dir}/b`, O.RDWR)];
    const [source, target] = [map(from, 20_000), map(to, 20_000)];
    target.read(0, 20_000);
    source.write(0, 'DIRTY');
    target.write(8192, 'KEEP');
    assert.equal(copyFileRange(from, 0, to, 0, 4096), 4096);
    assert.equal(String(target.read(0, 6)), 'DIRTYf');
    assert.equal(String(target.read(8192, 5)), 'KEEPb');
    assert.equal(String(pread(to, 6, 0)), 'DIRTYf');
    [source, target].forEach((view) => view.unmap());
    [from, to].forEach(close);
  }),
];

const others: Case[] = [
  anyone(
    'sendfile copies',
    async (dir, env) => {
      const [from, to] = await pair(dir, env);
      assert.equal(call('sendfile', to, from, null, 20_000), 20_000);
      [from, to].forEach(close);
      assert.equal(contentOf(`${dir}/to`), LETTERS);
    },
    PACKED,
  ),
  anyone(
    'splice copies through a pipe',
    async (dir, env) => {
      const [from, to] = await pair(dir, env);
      const [out, into] = files.pipe();
      assert.equal(call('splice', from, null, into, null, 10_000, 0), 10_000);
      assert.equal(call('splice', out, null, to, null, 10_000, 0), 10_000);
      [out, into, from, to].forEach(close);
      assert.equal(contentOf(`${dir}/to`), LETTERS.slice(0, 10_000));
    },
    PACKED,
  ),
  anyone('a clone is refused where blocks can not be shared', (dir) => {
    createFile(`${dir}/a`, LETTERS);
    createFile(`${dir}/b`);
    const [from, to] = [open(`${dir}/a`, O.RDONLY), open(`${dir}/b`, O.RDWR)];
    fails('EOPNOTSUPP', () => files.clone(from, to));
    fails('EOPNOTSUPP', () => files.cloneRange(from, 0, 4096, to, 0));
    [from, to].forEach(close);
  }),
  anyone('an ioctl that nobody knows is ENOTTY', (dir) => {
    createFile(`${dir}/a`);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      fails('ENOTTY', () => files.ioctl(fd, 0x12345678, Buffer.alloc(64)));
    });
  }),
];

export const copying: Family = { name: 'copying', cases: [...ranges, ...others] };
