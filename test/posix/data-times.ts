/** Which time an operation on data moves, and which it leaves. */
import assert from 'node:assert/strict';
import { chmod, stat, utimens, OMIT } from './system/attributes.js';
import * as files from './system/files.js';
import { createFile, O, pread, pwrite, withOpen } from './system/files.js';
import { map, PROT } from './system/memory.js';
import { setxattr } from './system/xattrs.js';
import { anyone, each, type Case, type Family } from './cases.js';
import { contentOf, later } from './kit.js';

const PACKED = { packed: true };
const read = (path: string): unknown => contentOf(path);
const withWriter = (path: string, work: (fd: number) => unknown): unknown =>
  withOpen(path, O.WRONLY, work);

interface Row {
  name: string;
  act(path: string): unknown;
  /** Of atime, mtime, ctime. */
  moves: readonly ('atime' | 'mtime' | 'ctime')[];
}

const CHANGES: readonly Row[] = [
  {
    name: 'write',
    act: (p) => withWriter(p, (fd) => pwrite(fd, 'x', 0)),
    moves: ['mtime', 'ctime'],
  },
  { name: 'write of nothing', act: (p) => withWriter(p, (fd) => pwrite(fd, '', 0)), moves: [] },
  { name: 'opening to write', act: (p) => withWriter(p, () => 0), moves: [] },
  {
    name: 'ftruncate to the same size',
    act: (p) => withWriter(p, (fd) => files.ftruncate(fd, 100)),
    moves: ['mtime', 'ctime'],
  },
  {
    name: 'fallocate',
    act: (p) => withWriter(p, (fd) => files.fallocate(fd, 0, 0, 50)),
    moves: ['mtime', 'ctime'],
  },
  { name: 'fsync', act: (p) => withWriter(p, files.fsync), moves: [] },
  { name: 'opening to read', act: (p) => withOpen(p, O.RDONLY, () => 0), moves: [] },
  { name: 'reading', act: read, moves: ['atime'] },
  {
    name: 'reading through a mapping',
    act: (p) =>
      withOpen(p, O.RDONLY, (fd) => {
        const view = map(fd, 100, PROT.READ);
        view.read(0, 100);
        view.unmap();
      }),
    moves: ['atime'],
  },
  {
    name: 'reading with O_NOATIME',
    act: (p) => withOpen(p, O.RDONLY | O.NOATIME, (fd) => pread(fd, 100, 0)),
    moves: [],
  },
];

function moved(path: string, act: (path: string) => unknown): string[] {
  const before = stat(path);
  later();
  act(path);
  const after = stat(path);
  return (['atime', 'mtime', 'ctime'] as const).filter((time) => after[time] !== before[time]);
}

const changing: Case[] = each(CHANGES, ({ name, act, moves }) =>
  anyone(
    `${name} moves ${moves.length === 0 ? 'nothing' : moves.join(' and ')}`,
    async (dir, env) => {
      createFile(`${dir}/a`, 'A'.repeat(100));
      await env.settle(`${dir}/a`);
      assert.deepEqual(moved(`${dir}/a`, act), moves);
    },
    PACKED,
  ),
);

const relative: Case[] = [
  anyone(
    'reading again moves nothing, until the file changes in any way',
    async (dir, env) => {
      createFile(`${dir}/a`, 'A'.repeat(100));
      await env.settle(`${dir}/a`);
      later();
      read(`${dir}/a`);
      assert.deepEqual(moved(`${dir}/a`, read), []);
      withWriter(`${dir}/a`, (fd) => pwrite(fd, 'x', 0));
      assert.deepEqual(moved(`${dir}/a`, read), ['atime']);
      assert.deepEqual(moved(`${dir}/a`, read), []);
      later();
      chmod(`${dir}/a`, 0o600);
      assert.deepEqual(moved(`${dir}/a`, read), ['atime']);
      later();
      setxattr(`${dir}/a`, 'user.x', 'y');
      assert.deepEqual(moved(`${dir}/a`, read), ['atime']);
    },
    PACKED,
  ),
  anyone('a time that was set stays until it is read, and then moves', (dir) => {
    createFile(`${dir}/a`, 'A');
    read(`${dir}/a`);
    utimens(`${dir}/a`, 1_000_000_001n, 2_000_000_003n);
    assert.equal(stat(`${dir}/a`).atime, 1_000_000_001n);
    later();
    read(`${dir}/a`);
    assert.ok(stat(`${dir}/a`).atime > 2_000_000_003n);
    assert.equal(stat(`${dir}/a`).mtime, 2_000_000_003n);
  }),
  anyone('a time in the future stays, whoever reads', (dir) => {
    createFile(`${dir}/a`, 'A');
    utimens(`${dir}/a`, 4_000_000_000_000_000_000n, OMIT);
    read(`${dir}/a`);
    assert.equal(stat(`${dir}/a`).atime, 4_000_000_000_000_000_000n);
  }),
  anyone(
    'times that were set while a writer has the file open stay',
    async (dir, env) => {
      createFile(`${dir}/a`, 'A');
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDWR, (fd) => {
        pwrite(fd, 'B', 0);
        utimens(`${dir}/a`, 5_000_000_001n, 6_000_000_003n);
      });
      const { atime, mtime } = stat(`${dir}/a`);
      assert.deepEqual([atime, mtime], [5_000_000_001n, 6_000_000_003n]);
      await env.settle(`${dir}/a`);
      assert.deepEqual([stat(`${dir}/a`).atime, stat(`${dir}/a`).mtime], [atime, mtime]);
    },
    PACKED,
  ),
];

export const dataTimes: Family = { name: 'times of data', cases: [...changing, ...relative] };
