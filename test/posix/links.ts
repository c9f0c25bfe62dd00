/** link(2), symlink(2), readlink(2). */
import assert from 'node:assert/strict';
import { chmod, chown, lchown, lstat, lutimens, S, stat } from './system/attributes.js';
import { AT_FDCWD, below } from './system/calls.js';
import { ALICE, as, BOB } from './system/credentials.js';
import { close, createFile, O, open, openAt, pread, pwrite, withOpen } from './system/files.js';
import { AT } from './system/calls.js';
import { link, linkAt, linkFd, mkdir, readlink, rename, symlink, unlink } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { contentOf, later, MAKERS } from './kit.js';

/** What ext4 allows. */
const LINK_MAX = 65_000;

const hard: Case[] = [
  ...each(
    MAKERS.filter(({ type }) => type !== S.IFDIR),
    ({ kind, make, needsRoot }) =>
      anyone(
        `${kind} with two names is one, and lives until the last goes`,
        (dir) => {
          make(`${dir}/a`);
          link(`${dir}/a`, `${dir}/b`);
          assert.equal(lstat(`${dir}/a`).ino, lstat(`${dir}/b`).ino);
          assert.equal(lstat(`${dir}/a`).nlink, 2);
          unlink(`${dir}/a`);
          assert.equal(lstat(`${dir}/b`).nlink, 1);
          unlink(`${dir}/b`);
          fails('ENOENT', () => lstat(`${dir}/b`));
        },
        { needsRoot },
      ),
  ),
  anyone('what is changed by one name shows by the other', (dir) => {
    createFile(`${dir}/a`);
    link(`${dir}/a`, `${dir}/b`);
    withOpen(`${dir}/b`, O.WRONLY, (fd) => pwrite(fd, 'hello', 0));
    chmod(`${dir}/b`, 0o600);
    assert.equal(contentOf(`${dir}/a`), 'hello');
    assert.equal(lstat(`${dir}/a`).mode & 0o7777, 0o600);
  }),
  anyone('ctime of the file and times of the directory move, mtime of the file stays', (dir) => {
    createFile(`${dir}/a`);
    mkdir(`${dir}/d`);
    const [file, directory] = [lstat(`${dir}/a`), lstat(`${dir}/d`)];
    later();
    link(`${dir}/a`, `${dir}/d/b`);
    assert.ok(lstat(`${dir}/a`).ctime > file.ctime);
    assert.equal(lstat(`${dir}/a`).mtime, file.mtime);
    assert.ok(lstat(`${dir}/d`).mtime > directory.mtime);
    assert.ok(lstat(`${dir}/d`).ctime > directory.ctime);
  }),
  anyone('unlink of one name moves the ctime that the other shows', (dir) => {
    createFile(`${dir}/a`);
    link(`${dir}/a`, `${dir}/b`);
    const { ctime } = lstat(`${dir}/b`);
    later();
    unlink(`${dir}/a`);
    assert.ok(lstat(`${dir}/b`).ctime > ctime);
  }),
  anyone('a directory gets no second name', (dir) => {
    mkdir(`${dir}/d`);
    fails('EPERM', () => link(`${dir}/d`, `${dir}/e`));
  }),
  anyone('a trailing slash names no file', (dir) => {
    createFile(`${dir}/a`);
    fails('ENOTDIR', () => link(`${dir}/a/`, `${dir}/b`));
    fails('ENOENT', () => link(`${dir}/a`, `${dir}/b/`));
  }),
  anyone('another filesystem: EXDEV', (dir, { elsewhere }) => {
    createFile(`${dir}/a`);
    fails('EXDEV', () => link(`${dir}/a`, `${elsewhere}/linked`));
  }),
  anyone('a link in a path is followed where AT_SYMLINK_FOLLOW says so', (dir) => {
    createFile(`${dir}/a`, 'x');
    symlink('a', `${dir}/l`);
    linkAt(AT_FDCWD, `${dir}/l`, `${dir}/m`, AT.SYMLINK_FOLLOW);
    assert.equal(lstat(`${dir}/m`).ino, lstat(`${dir}/a`).ino);
    link(`${dir}/l`, `${dir}/n`);
    assert.equal(String(readlink(`${dir}/n`)), 'a');
  }),
  anyone('an open file is linked through /proc/self/fd', (dir) => {
    createFile(`${dir}/a`, 'x');
    withOpen(`${dir}/a`, O.RDONLY, (fd) => linkFd(fd, `${dir}/b`));
    assert.equal(contentOf(`${dir}/b`), 'x');
  }),
  root('an open file is linked with AT_EMPTY_PATH', (dir) => {
    createFile(`${dir}/a`, 'x');
    withOpen(`${dir}/a`, O.PATH, (fd) => linkAt(fd, '', `${dir}/b`, AT.EMPTY_PATH));
    assert.equal(lstat(`${dir}/b`).nlink, 2);
  }),
  anyone('a file whose last name went gets no new one', (dir) => {
    createFile(`${dir}/a`, 'x');
    const fd = open(`${dir}/a`, O.RDWR);
    unlink(`${dir}/a`);
    fails('ENOENT', () => linkFd(fd, `${dir}/b`));
    assert.equal(String(pread(fd, 5, 0)), 'x');
    close(fd);
  }),
  anyone(
    'up to 65000 names, then EMLINK',
    (dir) => {
      createFile(`${dir}/a`);
      mkdir(`${dir}/d`);
      for (let i = 1; i < LINK_MAX; i++) link(`${dir}/a`, `${dir}/d/${i}`);
      assert.equal(lstat(`${dir}/a`).nlink, LINK_MAX);
      fails('EMLINK', () => link(`${dir}/a`, `${dir}/b`));
      unlink(`${dir}/d/77`);
      link(`${dir}/a`, `${dir}/b`);
    },
    { long: true },
  ),
];

const symbolic: Case[] = [
  ...each([1, 59, 60, 1000, 4095], (length) =>
    anyone(`a target of ${length} bytes`, (dir) => {
      const target = 'x'.repeat(length);
      symlink(target, `${dir}/l`);
      assert.equal(String(readlink(`${dir}/l`)), target);
      const { size, mode, nlink } = lstat(`${dir}/l`);
      assert.deepEqual([size, mode, nlink], [length, S.IFLNK | 0o777, 1]);
    }),
  ),
  anyone('a target of 4096 bytes is too long, an empty one is none', (dir) => {
    fails('ENAMETOOLONG', () => symlink('x'.repeat(4096), `${dir}/l`));
    fails('ENOENT', () => symlink('', `${dir}/l`));
  }),
  anyone('a target of any bytes', (dir) => {
    const target = Buffer.from([0xff, 0x20, 0x0a, 0xc3, 0x28]);
    symlink(target, `${dir}/l`);
    assert.deepEqual(readlink(`${dir}/l`), target);
    createFile(below(dir, target), 'found');
    assert.equal(contentOf(`${dir}/l`), 'found');
  }),
  anyone('a long target is followed', (dir) => {
    createFile(`${dir}/a`, 'found');
    symlink(`${'./'.repeat(1000)}a`, `${dir}/l`);
    assert.equal(contentOf(`${dir}/l`), 'found');
  }),
  anyone('forty links in a row are followed, one more is not', (dir) => {
    createFile(`${dir}/0`, 'found');
    for (let i = 1; i <= 41; i++) symlink(String(i - 1), `${dir}/${i}`);
    assert.equal(contentOf(`${dir}/40`), 'found');
    fails('ELOOP', () => stat(`${dir}/41`));
  }),
  anyone('a link is not opened where O_NOFOLLOW forbids it', (dir) => {
    createFile(`${dir}/a`);
    symlink('a', `${dir}/l`);
    fails('ELOOP', () => open(`${dir}/l`, O.RDONLY | O.NOFOLLOW));
    withOpen(`${dir}/l`, O.PATH | O.NOFOLLOW, () => 0);
  }),
  anyone('a trailing slash follows the link', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/f`);
    symlink('d', `${dir}/l`);
    symlink('f', `${dir}/m`);
    assert.equal(lstat(`${dir}/l/`).mode & S.IFMT, S.IFDIR);
    fails('ENOTDIR', () => lstat(`${dir}/m/`));
    fails('ENOTDIR', () => unlink(`${dir}/l/`));
    fails('ENOENT', () => symlink('x', `${dir}/new/`));
  }),
  anyone('readlink of what is no link: EINVAL', (dir) => {
    createFile(`${dir}/f`);
    fails('EINVAL', () => readlink(`${dir}/f`));
    fails('EINVAL', () => readlink(dir));
  }),
  anyone('a link is created through a dangling link, but not with O_EXCL', (dir) => {
    symlink('target', `${dir}/l`);
    fails('EEXIST', () => open(`${dir}/l`, O.CREAT | O.EXCL | O.WRONLY));
    withOpen(`${dir}/l`, O.CREAT | O.WRONLY, () => 0);
    assert.equal(lstat(`${dir}/target`).size, 0);
  }),
  anyone('times of a link are its own', (dir) => {
    createFile(`${dir}/a`);
    symlink('a', `${dir}/l`);
    const { mtime } = lstat(`${dir}/a`);
    lutimens(`${dir}/l`, 1_000_000_001n, 2_000_000_002n);
    assert.equal(lstat(`${dir}/l`).mtime, 2_000_000_002n);
    assert.equal(lstat(`${dir}/l`).atime, 1_000_000_001n);
    assert.equal(lstat(`${dir}/a`).mtime, mtime);
  }),
  root('the owner of a link changes with lchown, its target stays', (dir) => {
    createFile(`${dir}/a`);
    symlink('a', `${dir}/l`);
    lchown(`${dir}/l`, ALICE.uid, ALICE.gid);
    assert.deepEqual([lstat(`${dir}/l`).uid, lstat(`${dir}/l`).gid], [ALICE.uid, ALICE.gid]);
    assert.equal(lstat(`${dir}/a`).uid, 0);
    chown(`${dir}/l`, BOB.uid, -1);
    assert.equal(lstat(`${dir}/a`).uid, BOB.uid);
    assert.equal(lstat(`${dir}/l`).uid, ALICE.uid);
  }),
  root('a new link belongs to who makes it', (dir) => {
    chmod(dir, 0o777);
    as(ALICE, () => symlink('x', `${dir}/l`));
    assert.deepEqual([lstat(`${dir}/l`).uid, lstat(`${dir}/l`).gid], [ALICE.uid, ALICE.gid]);
  }),
  anyone('a link through which a directory is reached follows its rename', (dir) => {
    mkdir(`${dir}/d`);
    symlink('d', `${dir}/l`);
    createFile(`${dir}/l/x`);
    rename(`${dir}/d`, `${dir}/e`);
    fails('ENOENT', () => stat(`${dir}/l/x`));
    unlink(`${dir}/l`);
    symlink('e', `${dir}/l`);
    assert.equal(stat(`${dir}/l/x`).size, 0);
  }),
  anyone('readlink of an open link by an empty path', (dir) => {
    symlink('x', `${dir}/l`);
    const fd = openAt(AT_FDCWD, `${dir}/l`, O.PATH | O.NOFOLLOW);
    assert.equal(String(readlink(`/proc/self/fd/${fd}`)), `${dir}/l`);
    close(fd);
  }),
];

export const links: Family = { name: 'links', cases: [...hard, ...symbolic] };
