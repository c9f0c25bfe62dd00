/** Files that live on without a name, and handles whose file another replaced. */
import assert from 'node:assert/strict';
import { fchmod, fstat } from './system/attributes.js';
import * as files from './system/files.js';
import { close, createFile, O, open, pread, pwrite, withOpen } from './system/files.js';
import { rename, unlink } from './system/names.js';
import { fsetxattr, fgetxattr } from './system/xattrs.js';
import { anyone, type Case, type Family } from './cases.js';
import { contentOf } from './kit.js';

const PACKED = { packed: true };

const cases: Case[] = [
  anyone(
    'a deleted file that is open is read, written, cut and grown',
    async (dir, env) => {
      createFile(`${dir}/a`, 'hello world');
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDWR, (fd) => {
        unlink(`${dir}/a`);
        assert.equal(fstat(fd).nlink, 0);
        pwrite(fd, 'J', 0);
        assert.equal(String(pread(fd, 20, 0)), 'Jello world');
        files.ftruncate(fd, 5);
        files.ftruncate(fd, 7);
        assert.equal(String(pread(fd, 20, 0)), 'Jello\0\0');
        files.fallocate(fd, 0, 0, 20_000);
        assert.equal(fstat(fd).size, 20_000);
        files.fsync(fd);
      });
    },
    PACKED,
  ),
  anyone(
    'a deleted file that is open to read can be opened to write by its descriptor',
    async (dir, env) => {
      createFile(`${dir}/a`, 'hello');
      await env.settle(`${dir}/a`);
      withOpen(`${dir}/a`, O.RDONLY, (fd) => {
        unlink(`${dir}/a`);
        withOpen(`/proc/self/fd/${fd}`, O.RDWR, (own) => pwrite(own, 'J', 0));
        assert.equal(String(pread(fd, 9, 0)), 'Jello');
      });
    },
    PACKED,
  ),
  anyone('a deleted file keeps a mode and attributes that can be changed', (dir) => {
    createFile(`${dir}/a`);
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      unlink(`${dir}/a`);
      fchmod(fd, 0o600);
      fsetxattr(fd, 'user.x', 'y');
      assert.equal(fstat(fd).mode & 0o7777, 0o600);
      assert.equal(String(fgetxattr(fd, 'user.x')), 'y');
    });
  }),
  anyone(
    'a replaced file that is open stays itself',
    async (dir, env) => {
      createFile(`${dir}/a`, 'new');
      createFile(`${dir}/b`, 'old');
      await env.settle(`${dir}/b`);
      const fd = open(`${dir}/b`, O.RDWR);
      rename(`${dir}/a`, `${dir}/b`);
      pwrite(fd, 'OLD', 0);
      assert.equal(fstat(fd).nlink, 0);
      assert.equal(String(pread(fd, 9, 0)), 'OLD');
      assert.equal(contentOf(`${dir}/b`), 'new');
      close(fd);
    },
    PACKED,
  ),
  anyone('a name made again is another file', (dir) => {
    createFile(`${dir}/a`, 'first');
    withOpen(`${dir}/a`, O.RDWR, (fd) => {
      unlink(`${dir}/a`);
      createFile(`${dir}/a`, 'second');
      pwrite(fd, 'FIRST', 0);
      assert.equal(contentOf(`${dir}/a`), 'second');
      assert.equal(String(pread(fd, 9, 0)), 'FIRST');
    });
  }),
];

export const deletedFiles: Family = { name: 'deleted files', cases };
