/** open(2): what its flags promise about data. */
import assert from 'node:assert/strict';
import { chmod, fstat, modeOf, stat } from './system/attributes.js';
import { AT, AT_FDCWD, bytesOf, call } from './system/calls.js';
import { ALICE, as } from './system/credentials.js';
import * as files from './system/files.js';
import { close, createFile, O, open, pread, pwrite, withOpen, write } from './system/files.js';
import { symlink, unlink } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { contentOf, exists, later } from './kit.js';

const PACKED = { packed: true };

const appending: Case[] = [
  anyone(
    'several descriptors that append lose nothing of each other',
    async (dir, env) => {
      createFile(`${dir}/log`, 'start\n');
      await env.settle(`${dir}/log`);
      const fds = [1, 2, 3].map(() => open(`${dir}/log`, O.WRONLY | O.APPEND));
      for (let round = 0; round < 50; round++) {
        fds.forEach((fd, who) => write(fd, `${who}`.repeat(99) + '\n'));
      }
      fds.forEach(close);
      const lines = contentOf(`${dir}/log`).split('\n');
      assert.equal(lines.length, 152);
      assert.ok(lines.slice(1, -1).every((line) => /^(0{99}|1{99}|2{99})$/.test(line)));
    },
    PACKED,
  ),
  anyone('an offset does not matter to one that appends', (dir) => {
    createFile(`${dir}/log`, 'abc');
    withOpen(`${dir}/log`, O.RDWR | O.APPEND, (fd) => {
      pwrite(fd, 'd', 0);
      assert.equal(files.lseek(fd, 0, files.SEEK.CUR), 0);
      write(fd, 'e');
      assert.equal(files.lseek(fd, 0, files.SEEK.CUR), 5);
    });
    assert.equal(contentOf(`${dir}/log`), 'abcde');
  }),
  anyone('a descriptor can begin to append', (dir) => {
    createFile(`${dir}/log`, 'abc');
    withOpen(`${dir}/log`, O.RDWR, (fd) => {
      files.setStatusFlags(fd, O.APPEND);
      write(fd, 'd');
    });
    assert.equal(contentOf(`${dir}/log`), 'abcd');
  }),
  anyone('a descriptor can stop appending', (dir) => {
    createFile(`${dir}/log`, 'abc');
    withOpen(`${dir}/log`, O.RDWR | O.APPEND, (fd) => {
      files.setStatusFlags(fd, 0);
      write(fd, 'd');
    });
    assert.equal(contentOf(`${dir}/log`), 'dbc');
  }),
];

const cutting: Case[] = [
  ...each(['full', ''], (content) =>
    anyone(
      `O_TRUNC moves times of ${content === '' ? 'an empty file' : 'a file with data'}`,
      async (dir, env) => {
        createFile(`${dir}/a`, content);
        if (content !== '') await env.settle(`${dir}/a`);
        const before = stat(`${dir}/a`);
        later();
        withOpen(`${dir}/a`, O.WRONLY | O.TRUNC, (fd) => assert.equal(fstat(fd).size, 0));
        const after = stat(`${dir}/a`);
        assert.ok(after.mtime > before.mtime && after.ctime > before.ctime);
        assert.equal(after.atime, before.atime);
      },
      PACKED,
    ),
  ),
  anyone(
    'O_TRUNC cuts also where only reading was asked for',
    async (dir, env) => {
      createFile(`${dir}/a`, 'full');
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDONLY | O.TRUNC, (fd) => assert.equal(pread(fd, 9, 0).length, 0));
      assert.equal(stat(`${dir}/a`).size, 0);
    },
    PACKED,
  ),
  anyone('a reader sees that another cut the file', (dir) => {
    createFile(`${dir}/a`, 'full');
    withOpen(`${dir}/a`, O.RDONLY, (fd) => {
      close(open(`${dir}/a`, O.WRONLY | O.TRUNC));
      assert.equal(pread(fd, 9, 0).length, 0);
      assert.equal(fstat(fd).size, 0);
    });
  }),
];

const refusals: Case[] = [
  anyone('O_EXCL refuses a file and a symbolic link', (dir) => {
    createFile(`${dir}/a`);
    symlink('nowhere', `${dir}/l`);
    for (const name of ['a', 'l']) {
      fails('EEXIST', () => open(`${dir}/${name}`, O.CREAT | O.EXCL | O.WRONLY));
    }
  }),
  anyone('O_NOFOLLOW refuses a symbolic link', (dir) => {
    symlink('nowhere', `${dir}/l`);
    fails('ELOOP', () => open(`${dir}/l`, O.RDONLY | O.NOFOLLOW));
  }),
  anyone('a directory is not written to, a file is no directory', (dir) => {
    createFile(`${dir}/a`);
    fails('EISDIR', () => open(dir, O.RDWR));
    fails('ENOTDIR', () => open(`${dir}/a`, O.RDONLY | O.DIRECTORY));
    fails('ENOTDIR', () => open(`${dir}/a/b`, O.RDONLY));
  }),
  anyone('reading needs a descriptor to read, writing one to write', (dir) => {
    createFile(`${dir}/a`, 'abc');
    withOpen(`${dir}/a`, O.WRONLY, (fd) => fails('EBADF', () => pread(fd, 1, 0)));
    withOpen(`${dir}/a`, O.RDONLY, (fd) => {
      fails('EBADF', () => pwrite(fd, 'x', 0));
      fails('EINVAL', () => files.ftruncate(fd, 1));
      fails('EBADF', () => files.fallocate(fd, 0, 0, 10));
    });
  }),
  root('O_NOATIME is for owners', (dir) => {
    createFile(`${dir}/a`);
    as(ALICE, () => fails('EPERM', () => open(`${dir}/a`, O.RDONLY | O.NOATIME)));
  }),
];

const paths: Case[] = [
  anyone('O_PATH looks, but neither reads, writes nor changes', (dir) => {
    createFile(`${dir}/a`, 'abc');
    withOpen(`${dir}/a`, O.PATH, (fd) => {
      assert.equal(fstat(fd).size, 3);
      fails('EBADF', () => pread(fd, 1, 0));
      fails('EBADF', () => pwrite(fd, 'x', 0));
      fails('EBADF', () => files.ftruncate(fd, 0));
      fails('EBADF', () => files.fsync(fd));
    });
  }),
  anyone('O_PATH reaches the file again after its name is gone', (dir) => {
    createFile(`${dir}/a`, 'abc');
    withOpen(`${dir}/a`, O.PATH, (fd) => {
      unlink(`${dir}/a`);
      withOpen(`/proc/self/fd/${fd}`, O.RDWR, (own) => {
        assert.equal(String(pread(own, 9, 0)), 'abc');
        assert.equal(fstat(own).nlink, 0);
      });
    });
  }),
];

const linkFd = (fd: number, path: string): unknown =>
  call(
    'linkat',
    AT_FDCWD,
    bytesOf(`/proc/self/fd/${fd}`),
    AT_FDCWD,
    bytesOf(path),
    AT.SYMLINK_FOLLOW,
  );

const temporary: Case[] = [
  anyone('O_TMPFILE makes a file without a name, which can be given one', (dir) => {
    const fd = open(dir, O.TMPFILE | O.RDWR, 0o640);
    write(fd, 'data');
    assert.deepEqual([fstat(fd).nlink, fstat(fd).size], [0, 4]);
    linkFd(fd, `${dir}/a`);
    assert.equal(fstat(fd).nlink, 1);
    assert.equal(modeOf(`${dir}/a`), 0o640);
    write(fd, ' more');
    assert.equal(contentOf(`${dir}/a`), 'data more');
    close(fd);
    assert.equal(stat(`${dir}/a`).size, 9);
  }),
  anyone('O_TMPFILE with O_EXCL refuses a name', (dir) => {
    withOpen(dir, O.TMPFILE | O.RDWR | O.EXCL, (fd) => {
      fails('ENOENT', () => linkFd(fd, `${dir}/a`));
    });
    assert.equal(exists(`${dir}/a`), false);
  }),
  anyone('O_TMPFILE must be able to write, in a directory', (dir) => {
    createFile(`${dir}/a`);
    fails('EINVAL', () => open(dir, O.TMPFILE | O.RDONLY));
    fails('ENOTDIR', () => open(`${dir}/a`, O.TMPFILE | O.RDWR));
  }),
];

const direct: Case[] = [
  anyone(
    'O_DIRECT reads and writes whole blocks, and agrees with other descriptors',
    async (dir, env) => {
      createFile(`${dir}/a`, 'a'.repeat(8192) + 'tail');
      await env.settle(`${dir}/a`);
      const memory = files.alignedBuffer(4096);
      const other = open(`${dir}/a`, O.RDWR);
      const fd = open(`${dir}/a`, O.RDWR | O.DIRECT);
      assert.equal(call('pread64', fd, memory.address, 4096, 8192), 4);
      assert.equal(call('pread64', fd, memory.address, 4096, 4096), 4096);
      pwrite(other, 'other', 0);
      assert.equal(call('pread64', fd, memory.address, 4096, 0), 4096);
      assert.equal(call('pwrite64', fd, memory.address, 4096, 4096), 4096);
      assert.equal(String(pread(other, 7, 4096)), 'otheraa');
      [fd, other].forEach(close);
      memory.free();
      assert.equal(stat(`${dir}/a`).size, 8196);
    },
    PACKED,
  ),
  anyone('O_DIRECT refuses parts of blocks', (dir) => {
    createFile(`${dir}/a`, 'a'.repeat(8192));
    const memory = files.alignedBuffer(8192);
    withOpen(`${dir}/a`, O.RDWR | O.DIRECT, (fd) => {
      fails('EINVAL', () => call('pread64', fd, memory.address, 100, 0));
      fails('EINVAL', () => call('pread64', fd, memory.address, 4096, 100));
      fails('EINVAL', () => call('pwrite64', fd, memory.address + 3, 4096, 0));
    });
    memory.free();
  }),
];

const WRITES: readonly { name: string; flags: number }[] = [
  { name: 'O_SYNC', flags: O.SYNC },
  { name: 'O_DSYNC', flags: O.DSYNC },
];

const syncing: Case[] = each(WRITES, ({ name, flags }) =>
  anyone(
    `${name} writes are read back`,
    async (dir, env) => {
      createFile(`${dir}/a`, 'before');
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDWR | flags, (fd) => assert.equal(write(fd, 'after!'), 6));
      assert.equal(contentOf(`${dir}/a`), 'after!');
    },
    PACKED,
  ),
);

const permissions: Case[] = [
  anyone('a mode without write permission does not stop who made the file', (dir) => {
    withOpen(`${dir}/a`, O.CREAT | O.RDWR, (fd) => assert.equal(write(fd, 'x'), 1), 0o444);
    assert.equal(contentOf(`${dir}/a`), 'x');
  }),
  root('a descriptor keeps its rights when the mode changes', (dir) => {
    chmod(dir, 0o777);
    as(ALICE, () => {
      createFile(`${dir}/a`, 'abc');
      withOpen(`${dir}/a`, O.RDWR, (fd) => {
        chmod(`${dir}/a`, 0);
        pwrite(fd, 'x', 0);
        assert.equal(String(pread(fd, 9, 0)), 'xbc');
        fails('EACCES', () => open(`${dir}/a`, O.RDONLY));
      });
    });
  }),
];

export const openFlags: Family = {
  name: 'open flags',
  cases: [
    ...appending,
    ...cutting,
    ...refusals,
    ...paths,
    ...temporary,
    ...direct,
    ...syncing,
    ...permissions,
  ],
};
