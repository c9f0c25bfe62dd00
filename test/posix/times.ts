/** Which operation moves which time, and which times can be set. */
import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  fstat,
  freshStat,
  futimens,
  lstat,
  touch,
  utimens,
  type Stat,
} from './system/attributes.js';
import {
  createFile,
  ftruncate,
  O,
  open,
  pwrite,
  read,
  truncate,
  withOpen,
  write,
  close,
  fallocate,
  pread,
} from './system/files.js';
import { link, mkdir, readlink, rename, restOfDirectory, symlink, unlink } from './system/names.js';
import { removexattr, setxattr } from './system/xattrs.js';
import { anyone, each, type Case, type Family } from './cases.js';
import { later } from './kit.js';

const SECOND = 1_000_000_000n;
type Which = 'atime' | 'mtime' | 'ctime';

/** `work` moves exactly these times of `path`; `prepare` comes before. */
function moves(
  what: string,
  times: readonly Which[],
  work: (path: string) => void,
  content = 'abc',
) {
  return anyone(`${what} moves ${times.length === 0 ? 'no time' : times.join(' and ')}`, (dir) => {
    const path = `${dir}/f`;
    createFile(path, content);
    // Older than the others, so that reading does not move it because it is stale.
    const before = lstat(path);
    later();
    work(path);
    const after = lstat(path);
    for (const time of ['mtime', 'ctime', 'atime'] as const) {
      if (times.includes(time)) assert.ok(after[time] > before[time], `${time} stayed`);
      else assert.equal(after[time], before[time], `${time} moved`);
    }
    assert.equal(after.btime, before.btime);
  });
}

const changed = ['mtime', 'ctime'] as const;

const operations: Case[] = [
  moves('a write', changed, (path) => withOpen(path, O.WRONLY, (fd) => pwrite(fd, 'x', 0))),
  moves('an append', changed, (path) =>
    withOpen(path, O.WRONLY | O.APPEND, (fd) => write(fd, 'x')),
  ),
  moves('a write of nothing', [], (path) => withOpen(path, O.WRONLY, (fd) => pwrite(fd, '', 0))),
  moves('open for writing', [], (path) => withOpen(path, O.RDWR, () => 0)),
  moves('open with O_TRUNC', changed, (path) => withOpen(path, O.WRONLY | O.TRUNC, () => 0)),
  moves(
    'open with O_TRUNC of an empty file',
    changed,
    (path) => withOpen(path, O.WRONLY | O.TRUNC, () => 0),
    '',
  ),
  moves('a chown that names nobody', ['ctime'], (path) => chown(path, -1, -1)),
  moves('truncate to less', changed, (path) => truncate(path, 1)),
  moves('truncate to more', changed, (path) => truncate(path, 100)),
  moves('truncate to the same size', changed, (path) => truncate(path, 3)),
  moves('ftruncate to the same size', changed, (path) =>
    withOpen(path, O.WRONLY, (fd) => ftruncate(fd, 3)),
  ),
  moves('fallocate that makes it longer', changed, (path) =>
    withOpen(path, O.WRONLY, (fd) => fallocate(fd, 0, 0, 10_000)),
  ),
  moves('chmod', ['ctime'], (path) => chmod(path, 0o600)),
  moves('chmod to the same', ['ctime'], (path) => chmod(path, 0o644)),
  moves('link', ['ctime'], (path) => link(path, `${path}2`)),
  moves('rename', ['ctime'], (path) => {
    rename(path, `${path}2`);
    rename(`${path}2`, path);
  }),
  moves('setxattr', ['ctime'], (path) => setxattr(path, 'user.x', 'x')),
  moves('removexattr', ['ctime'], (path) => {
    setxattr(path, 'user.x', 'x');
    removexattr(path, 'user.x');
  }),
  moves('utimensat with both omitted', [], (path) => utimens(path, 'omit', 'omit')),
  moves('touch', ['atime', 'mtime', 'ctime'], (path) => touch(path)),
  moves('the first read', ['atime'], (path) => withOpen(path, O.RDONLY, (fd) => read(fd, 10))),
  moves('a read with O_NOATIME', [], (path) =>
    withOpen(path, O.RDONLY | O.NOATIME, (fd) => read(fd, 10)),
  ),
];

const reads: Case[] = [
  anyone('a second read moves nothing (relatime)', (dir) => {
    createFile(`${dir}/f`, 'abc');
    later();
    withOpen(`${dir}/f`, O.RDONLY, (fd) => read(fd, 3));
    const { atime } = lstat(`${dir}/f`);
    later();
    withOpen(`${dir}/f`, O.RDONLY, (fd) => read(fd, 3));
    assert.equal(lstat(`${dir}/f`).atime, atime);
  }),
  anyone('a read after a write moves atime again', (dir) => {
    createFile(`${dir}/f`, 'abc');
    withOpen(`${dir}/f`, O.RDWR, (fd) => {
      pread(fd, 3, 0);
      later();
      pwrite(fd, 'x', 0);
      const { atime } = fstat(fd);
      later();
      pread(fd, 3, 0);
      assert.ok(fstat(fd).atime > atime);
    });
  }),
  anyone('a read moves an atime that lies a day back', (dir) => {
    createFile(`${dir}/f`, 'abc');
    const day = 90_000n * SECOND;
    const { mtime } = lstat(`${dir}/f`);
    utimens(`${dir}/f`, mtime - day, mtime - 2n * day);
    withOpen(`${dir}/f`, O.RDONLY, (fd) => read(fd, 3));
    assert.ok(lstat(`${dir}/f`).atime >= mtime);
  }),
  anyone('listing a directory moves its atime', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/d/x`);
    const before = lstat(`${dir}/d`);
    later();
    withOpen(`${dir}/d`, O.RDONLY | O.DIRECTORY, (fd) => restOfDirectory(fd));
    const after = lstat(`${dir}/d`);
    assert.ok(after.atime > before.atime);
    assert.equal(after.mtime, before.mtime);
    assert.equal(after.ctime, before.ctime);
  }),
  anyone('following a symbolic link moves its atime', (dir) => {
    symlink('x', `${dir}/l`);
    const before = lstat(`${dir}/l`);
    later();
    readlink(`${dir}/l`);
    assert.ok(lstat(`${dir}/l`).atime > before.atime);
  }),
  anyone('looking at a file moves nothing', (dir) => {
    createFile(`${dir}/f`, 'abc');
    const before = lstat(`${dir}/f`);
    later();
    freshStat(`${dir}/f`);
    const { atime, mtime, ctime } = freshStat(`${dir}/f`);
    assert.deepEqual([atime, mtime, ctime], [before.atime, before.mtime, before.ctime]);
  }),
];

/** Times of the directory while something happens in it. */
function directoryMoves(what: string, moved: boolean, work: (dir: string) => void): Case {
  return anyone(`${what}: the directory ${moved ? 'moves' : 'does not move'}`, (dir) => {
    createFile(`${dir}/f`, 'abc');
    mkdir(`${dir}/d`);
    const before = lstat(dir);
    later();
    work(dir);
    const { mtime, ctime } = lstat(dir);
    const check = (is: bigint, was: bigint): void => assert.equal(is > was, moved);
    check(mtime, before.mtime);
    check(ctime, before.ctime);
  });
}

const parents: Case[] = [
  directoryMoves('a new file', true, (dir) => createFile(`${dir}/new`)),
  directoryMoves('a write to a file', false, (dir) =>
    withOpen(`${dir}/f`, O.WRONLY, (fd) => pwrite(fd, 'x', 0)),
  ),
  directoryMoves('chmod of a file', false, (dir) => chmod(`${dir}/f`, 0o600)),
  directoryMoves('truncate of a file', false, (dir) => truncate(`${dir}/f`, 0)),
  directoryMoves('a new name of a file', true, (dir) => link(`${dir}/f`, `${dir}/g`)),
  directoryMoves('a file below a subdirectory', false, (dir) => createFile(`${dir}/d/new`)),
  directoryMoves('unlink', true, (dir) => unlink(`${dir}/f`)),
];

/** Seconds that a 256-byte inode of ext4 holds: 34 bits from 1901. */
const SETTABLE: readonly (readonly [string, bigint])[] = [
  ['the epoch', 0n],
  ['a nanosecond after the epoch', 1n],
  ['1969', -1n * SECOND],
  ['1969, with a fraction', -1n * SECOND + 123_456_789n],
  ['1901', -2_147_483_648n * SECOND],
  ['2000, with all nanoseconds', 946_684_800n * SECOND + 999_999_999n],
  ['2038', 2_147_483_647n * SECOND],
  ['one second later', 2_147_483_648n * SECOND],
  ['2106', 4_294_967_296n * SECOND + 5n],
  ['2446', 15_032_385_535n * SECOND],
];

const setting: Case[] = [
  ...each(SETTABLE, ([when, time]) =>
    anyone(`times can be set to ${when}, of files and directories`, (dir) => {
      createFile(`${dir}/f`, 'abc');
      mkdir(`${dir}/d`);
      for (const name of ['f', 'd']) {
        utimens(`${dir}/${name}`, time, time);
        const { atime, mtime } = freshStat(`${dir}/${name}`);
        assert.deepEqual([atime, mtime], [time, time]);
      }
    }),
  ),
  anyone('one is set, the other stays', (dir) => {
    createFile(`${dir}/f`);
    utimens(`${dir}/f`, 11n, 22n);
    utimens(`${dir}/f`, 33n, 'omit');
    assert.deepEqual(times(lstat(`${dir}/f`)), [33n, 22n]);
    utimens(`${dir}/f`, 'omit', 44n);
    assert.deepEqual(times(lstat(`${dir}/f`)), [33n, 44n]);
  }),
  anyone('now for one, a time for the other', (dir) => {
    createFile(`${dir}/f`);
    const { mtime } = lstat(`${dir}/f`);
    utimens(`${dir}/f`, 'now', 7n);
    assert.ok(lstat(`${dir}/f`).atime >= mtime);
    assert.equal(lstat(`${dir}/f`).mtime, 7n);
    utimens(`${dir}/f`, 8n, 'now');
    assert.equal(lstat(`${dir}/f`).atime, 8n);
    assert.ok(lstat(`${dir}/f`).mtime >= mtime);
  }),
  anyone('setting times moves ctime to now, wherever they go', (dir) => {
    createFile(`${dir}/f`);
    const before = lstat(`${dir}/f`);
    later();
    utimens(`${dir}/f`, 2n ** 60n, 2n ** 60n);
    assert.ok(lstat(`${dir}/f`).ctime > before.ctime);
    assert.ok(lstat(`${dir}/f`).ctime < before.ctime + 3600n * SECOND);
  }),
  anyone('times set through a descriptor last over its close, after a write', (dir) => {
    createFile(`${dir}/f`);
    const fd = open(`${dir}/f`, O.RDWR);
    pwrite(fd, 'data', 0);
    futimens(fd, 5n, 123_456_789n);
    assert.deepEqual(times(fstat(fd)), [5n, 123_456_789n]);
    close(fd);
    assert.deepEqual(times(freshStat(`${dir}/f`)), [5n, 123_456_789n]);
  }),
  anyone('times set while another writes: its next write moves mtime', (dir) => {
    createFile(`${dir}/f`);
    const fd = open(`${dir}/f`, O.RDWR);
    utimens(`${dir}/f`, 1n, 2n);
    pwrite(fd, 'data', 0);
    assert.ok(fstat(fd).mtime > 1_000_000n * SECOND);
    close(fd);
  }),
  anyone(
    'times of a settled file last through its forms and a write of nothing',
    async (dir, env) => {
      createFile(`${dir}/f`, 'x'.repeat(100_000));
      utimens(`${dir}/f`, 1_111n, 2_222n);
      await env.settle(`${dir}/f`);
      assert.deepEqual(times(freshStat(`${dir}/f`)), [1_111n, 2_222n]);
      withOpen(`${dir}/f`, O.RDWR, () => 0);
      assert.equal(freshStat(`${dir}/f`).mtime, 2_222n);
    },
    { packed: true },
  ),
  anyone(
    'a write to a settled file moves mtime and ctime',
    async (dir, env) => {
      createFile(`${dir}/f`, 'x'.repeat(100_000));
      await env.settle(`${dir}/f`);
      const before = lstat(`${dir}/f`);
      later();
      withOpen(`${dir}/f`, O.WRONLY, (fd) => pwrite(fd, 'y', 5));
      const after = lstat(`${dir}/f`);
      assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
      assert.equal(after.btime, before.btime);
    },
    { packed: true },
  ),
  anyone(
    'all times last over a remount',
    async (dir, env) => {
      createFile(`${dir}/f`, 'abc');
      utimens(`${dir}/f`, -5n * SECOND, 5_000_000_000n * SECOND + 7n);
      const before = lstat(`${dir}/f`);
      await env.remount();
      const { atime, mtime, ctime, btime, ino } = lstat(`${dir}/f`);
      assert.deepEqual([atime, mtime], [-5n * SECOND, 5_000_000_000n * SECOND + 7n]);
      assert.deepEqual([ctime, btime, ino], [before.ctime, before.btime, before.ino]);
    },
    { remounts: true },
  ),
  anyone('birth is when the file was made, and never moves', (dir) => {
    createFile(`${dir}/f`);
    const { btime, mask } = lstat(`${dir}/f`);
    assert.equal(mask & 0x800, 0x800);
    later();
    withOpen(`${dir}/f`, O.WRONLY, (fd) => pwrite(fd, 'x', 0));
    utimens(`${dir}/f`, 1n, 1n);
    chmod(`${dir}/f`, 0o600);
    rename(`${dir}/f`, `${dir}/g`);
    assert.equal(freshStat(`${dir}/g`).btime, btime);
  }),
];

/** What happens after `dir/a` was written to, or before: the path that it stamps, and which of its times. */
const STAMPS: [string, Which, (dir: string, round: number) => string][] = [
  ['making a file', 'mtime', (dir, round) => made(`${dir}/f${round}`, createFile)],
  ['mkdir', 'mtime', (dir, round) => made(`${dir}/d${round}`, mkdir)],
  ['utimensat', 'mtime', (dir) => made(`${dir}/b`, touch)],
  ['chmod', 'ctime', (dir, round) => made(`${dir}/b`, (path) => chmod(path, 0o600 + (round % 2)))],
];

function made(path: string, work: (path: string) => void): string {
  work(path);
  return path;
}

/** As make(1) compares them. Often, since clocks that differ are apart for a part of each tick only. */
const order = each(STAMPS, ([what, which, stamp]) =>
  anyone(`${what} and a write are stamped in the order in which they happen`, (dir) => {
    createFile(`${dir}/b`);
    for (let round = 0; round < 100; round++) {
      createFile(`${dir}/a`, 'x');
      const fd = open(`${dir}/a`, O.RDWR);
      pwrite(fd, 'y', 0);
      // Files that were looked at get finer times.
      fstat(fd);
      pwrite(fd, 'z', 0);
      const written = fstat(fd).mtime;
      const stamped = lstat(stamp(dir, round))[which];
      assert.ok(stamped >= written, `it came after a write, ${written - stamped} ns earlier`);
      pwrite(fd, 'a', 0);
      assert.ok(fstat(fd).mtime >= stamped, 'a write came after it, with an earlier time');
      close(fd);
      unlink(`${dir}/a`);
    }
  }),
);

const times = ({ atime, mtime }: Stat): bigint[] => [atime, mtime];

export const timesFamily: Family = {
  name: 'times',
  cases: [...operations, ...reads, ...parents, ...setting, ...order],
};
