/** Sizes, holes and allocated space: read, write, truncate, fallocate, SEEK_HOLE at all their edges. */
import assert from 'node:assert/strict';
import { fstat, stat } from './system/attributes.js';
import { call, i64 } from './system/calls.js';
import * as files from './system/files.js';
import {
  createFile,
  FALLOC,
  ftruncate,
  lseek,
  O,
  pread,
  pwrite,
  SEEK,
  withOpen,
} from './system/files.js';
import { anyone, each, fails, type Case, type Family } from './cases.js';
import { contentOf, later } from './kit.js';

const PACKED = { packed: true };
const PAGE = 4096;
/** Where ext4 with blocks of 4096 bytes ends. */
const LIMIT = 2 ** 44 - PAGE;
const GIB4 = 2 ** 32;

/** Ten pages, each of one letter. */
const PAGES = Buffer.concat(Array.from({ length: 10 }, (_, i) => Buffer.alloc(PAGE, 65 + i)));

const edges: Case[] = [
  anyone('data beyond 4 GiB is found where it was put, with zeros before it', (dir) => {
    createFile(`${dir}/a`, 'abc');
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      pwrite(fd, 'X', GIB4 + 5);
      assert.equal(fstat(fd).size, GIB4 + 6);
      assert.deepEqual(pread(fd, 9, GIB4 + 4), Buffer.from('\0X'));
      assert.equal(String(pread(fd, 3, 0)), 'abc');
      assert.ok(fstat(fd).blocks < 64);
    });
  }),
  anyone('a file can be as large as on ext4, and no larger', (dir) => {
    createFile(`${dir}/a`);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      assert.equal(pwrite(fd, 'xy', LIMIT - 1), 1);
      fails('EFBIG', () => pwrite(fd, 'x', LIMIT));
      fails('EFBIG', () => ftruncate(fd, LIMIT + 1));
      fails('EFBIG', () => files.fallocate(fd, 0, LIMIT, PAGE));
      assert.equal(fstat(fd).size, LIMIT);
      assert.equal(pread(fd, 1, LIMIT).length, 0);
    });
  }),
  anyone('negative offsets and sizes are refused', (dir) => {
    createFile(`${dir}/a`, 'abc');
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      fails('EINVAL', () => pread(fd, 1, -1));
      fails('EINVAL', () => pwrite(fd, 'x', -1));
      fails('EINVAL', () => ftruncate(fd, -1));
      fails('EINVAL', () => lseek(fd, -1, SEEK.SET));
      fails('EINVAL', () => files.fallocate(fd, 0, -1, 10));
      fails('EINVAL', () => files.fallocate(fd, 0, 0, 0));
    });
  }),
  anyone('a position beyond the largest file is refused', (dir) => {
    createFile(`${dir}/a`);
    withOpen(`${dir}/a`, O.RDWR, (fd) => fails('EINVAL', () => lseek(fd, 2 ** 45, SEEK.SET)));
  }),
  anyone('writing nothing changes nothing', (dir) => {
    createFile(`${dir}/a`, 'abc');
    const before = stat(`${dir}/a`);
    later();
    withOpen(`${dir}/a`, O.RDWR, (fd) => assert.equal(pwrite(fd, '', 100), 0));
    assert.deepEqual(stat(`${dir}/a`), before);
  }),
  anyone('memory that is not there is EFAULT', (dir) => {
    createFile(`${dir}/a`, 'abc');
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      fails('EFAULT', () => call('pwrite64', fd, null, 10, 0));
      fails('EFAULT', () => call('pread64', fd, 8, 3, 0));
    });
  }),
];

const LIMITED = 50_000;
const RLIMIT_FSIZE = 1;

/** With no file to grow beyond LIMITED bytes; synchronous. The signal that comes with EFBIG is ignored. */
function withFileLimit(work: () => void): void {
  const before = Buffer.alloc(16);
  const ignore = () => {};
  process.on('SIGXFSZ', ignore);
  call('prlimit64', 0, RLIMIT_FSIZE, null, before);
  call('prlimit64', 0, RLIMIT_FSIZE, i64(LIMITED, before.readBigInt64LE(8)), null);
  try {
    work();
  } finally {
    call('prlimit64', 0, RLIMIT_FSIZE, before, null);
    setImmediate(() => process.off('SIGXFSZ', ignore));
  }
}

const limited: Case[] = [
  anyone(
    'no file grows beyond RLIMIT_FSIZE, by whatever call',
    async (dir, env) => {
      createFile(`${dir}/a`, PAGES);
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDWR, (fd) => {
        withFileLimit(() => {
          assert.equal(pwrite(fd, Buffer.alloc(PAGE, 'x'), LIMITED - 10), 10);
          fails('EFBIG', () => pwrite(fd, 'x', LIMITED));
          fails('EFBIG', () => ftruncate(fd, LIMITED + 1));
          fails('EFBIG', () => files.fallocate(fd, 0, 0, LIMITED + 1));
          assert.equal(pwrite(fd, 'y', 0), 1);
        });
        assert.equal(fstat(fd).size, LIMITED);
        assert.equal(String(pread(fd, 100, LIMITED - 10)), 'x'.repeat(10));
        assert.equal(pwrite(fd, 'z', LIMITED), 1);
      });
    },
    PACKED,
  ),
];

const truncating: Case[] = each(
  [
    { size: 0, what: 'to nothing' },
    { size: 5000, what: 'within a page' },
    { size: 40_960, what: 'to the size it has' },
    { size: 100_000, what: 'to more' },
  ],
  ({ size, what }) =>
    anyone(
      `truncate ${what}`,
      async (dir, env) => {
        createFile(`${dir}/a`, PAGES);
        await env.settle(`${dir}/a`);
        const before = stat(`${dir}/a`);
        later();
        files.truncate(`${dir}/a`, size);
        const after = stat(`${dir}/a`);
        assert.equal(after.size, size);
        assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
        const wanted = Buffer.concat([PAGES.subarray(0, size), Buffer.alloc(100_000)]);
        assert.equal(contentOf(`${dir}/a`), wanted.toString('latin1', 0, size));
      },
      PACKED,
    ),
);

const regrowing: Case[] = [
  anyone('what was cut off does not come back', (dir) => {
    createFile(`${dir}/a`, PAGES);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      ftruncate(fd, 5000);
      ftruncate(fd, 40_960);
      assert.deepEqual(pread(fd, 100_000, 5000), Buffer.alloc(35_960));
    });
  }),
  anyone('a hole takes no space', (dir) => {
    createFile(`${dir}/a`);
    files.truncate(`${dir}/a`, 1 << 30);
    assert.ok(stat(`${dir}/a`).blocks <= 8);
  }),
];

interface Allocation {
  name: string;
  mode: number;
  offset: number;
  length: number;
  /** Expected; `zeros` are offsets from and to. */
  size: number;
  zeros?: [number, number];
}

const ALLOCATIONS: readonly Allocation[] = [
  { name: 'grows the file', mode: 0, offset: 0, length: 100_000, size: 100_000 },
  { name: 'within the file changes no data', mode: 0, offset: 0, length: 100, size: 40_960 },
  { name: 'KEEP_SIZE', mode: FALLOC.KEEP_SIZE, offset: 0, length: 100_000, size: 40_960 },
  {
    name: 'PUNCH_HOLE',
    mode: FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE,
    offset: PAGE,
    length: 2 * PAGE,
    size: 40_960,
    zeros: [PAGE, 3 * PAGE],
  },
  {
    name: 'PUNCH_HOLE of parts of pages',
    mode: FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE,
    offset: 5000,
    length: 9000,
    size: 40_960,
    zeros: [5000, 14_000],
  },
  {
    name: 'ZERO_RANGE',
    mode: FALLOC.ZERO_RANGE,
    offset: 5000,
    length: 100,
    size: 40_960,
    zeros: [5000, 5100],
  },
  {
    name: 'ZERO_RANGE over the end',
    mode: FALLOC.ZERO_RANGE,
    offset: 36_864,
    length: 20_000,
    size: 56_864,
    zeros: [36_864, 40_960],
  },
  {
    name: 'ZERO_RANGE with KEEP_SIZE',
    mode: FALLOC.ZERO_RANGE | FALLOC.KEEP_SIZE,
    offset: 36_864,
    length: 20_000,
    size: 40_960,
    zeros: [36_864, 40_960],
  },
];

const allocating: Case[] = each(ALLOCATIONS, (row) =>
  anyone(
    `fallocate: ${row.name}`,
    async (dir, env) => {
      createFile(`${dir}/a`, PAGES);
      await env.settle(`${dir}/a`);
      const before = stat(`${dir}/a`);
      later();
      withOpen(`${dir}/a`, O.RDWR, (fd) => {
        files.fallocate(fd, row.mode, row.offset, row.length);
        assert.equal(fstat(fd).size, row.size);
      });
      const wanted = Buffer.concat([PAGES, Buffer.alloc(100_000)]).subarray(0, row.size);
      if (row.zeros !== undefined) wanted.fill(0, ...row.zeros);
      assert.equal(contentOf(`${dir}/a`), wanted.toString('latin1'));
      const after = stat(`${dir}/a`);
      assert.equal(after.size, row.size);
      assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
    },
    PACKED,
  ),
);

const shifting: Case[] = [
  anyone('fallocate: COLLAPSE_RANGE takes pages out', (dir) => {
    createFile(`${dir}/a`, PAGES);
    withOpen(`${dir}/a`, O.RDWR, (fd) => files.fallocate(fd, FALLOC.COLLAPSE_RANGE, PAGE, PAGE));
    assert.equal(stat(`${dir}/a`).size, 9 * PAGE);
  }),
  anyone('fallocate: INSERT_RANGE puts a hole in', (dir) => {
    createFile(`${dir}/a`, PAGES);
    withOpen(`${dir}/a`, O.RDWR, (fd) => files.fallocate(fd, FALLOC.INSERT_RANGE, PAGE, PAGE));
    assert.equal(stat(`${dir}/a`).size, 11 * PAGE);
  }),
  anyone('fallocate: what ext4 does not know is EOPNOTSUPP', (dir) => {
    createFile(`${dir}/a`, PAGES);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      fails('EOPNOTSUPP', () => files.fallocate(fd, FALLOC.PUNCH_HOLE, 0, PAGE));
      fails('EOPNOTSUPP', () => files.fallocate(fd, FALLOC.UNSHARE_RANGE, 0, PAGE));
    });
  }),
  anyone('a punched hole gives its space back', (dir) => {
    createFile(`${dir}/a`, PAGES);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      files.fsync(fd);
      const { blocks } = fstat(fd);
      files.fallocate(fd, FALLOC.PUNCH_HOLE | FALLOC.KEEP_SIZE, PAGE, 4 * PAGE);
      assert.equal(fstat(fd).blocks, blocks - 32);
    });
  }),
];

const seeking: Case[] = [
  anyone('SEEK_DATA and SEEK_HOLE find data and holes, written a moment ago or synced', (dir) => {
    createFile(`${dir}/a`);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      pwrite(fd, 'd'.repeat(PAGE), 0);
      pwrite(fd, 'd'.repeat(PAGE), 1 << 20);
      ftruncate(fd, 2 << 20);
      for (const settled of [false, true]) {
        if (settled) files.fsync(fd);
        assert.equal(lseek(fd, 0, SEEK.HOLE), PAGE);
        assert.equal(lseek(fd, 5000, SEEK.DATA), 1 << 20);
        assert.equal(lseek(fd, 1 << 20, SEEK.HOLE), (1 << 20) + PAGE);
        fails('ENXIO', () => lseek(fd, (1 << 20) + PAGE, SEEK.DATA));
        fails('ENXIO', () => lseek(fd, 2 << 20, SEEK.HOLE));
      }
    });
  }),
  anyone(
    'SEEK_DATA and SEEK_HOLE of a file without holes',
    async (dir, env) => {
      createFile(`${dir}/a`, PAGES);
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDONLY, (fd) => {
        assert.equal(lseek(fd, 5000, SEEK.DATA), 5000);
        assert.equal(lseek(fd, 0, SEEK.HOLE), 40_960);
        fails('ENXIO', () => lseek(fd, 40_960, SEEK.DATA));
        fails('ENXIO', () => lseek(fd, 40_960, SEEK.HOLE));
      });
    },
    PACKED,
  ),
];

export const fileSpace: Family = {
  name: 'file space',
  cases: [
    ...edges,
    ...limited,
    ...truncating,
    ...regrowing,
    ...allocating,
    ...shifting,
    ...seeking,
  ],
};
