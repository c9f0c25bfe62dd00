/** rename(2) and renameat2(2). */
import assert from 'node:assert/strict';
import { lstat, S, stat } from './system/attributes.js';
import { below } from './system/calls.js';
import { close, createFile, O, open, pread } from './system/files.js';
import { link, mkdir, mkfifo, readlink, rename, RENAME, rmdir, symlink } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { contentOf, exists, later, MAKERS } from './kit.js';

const basics: Case[] = [
  ...each(MAKERS, ({ kind, make, needsRoot }) =>
    anyone(
      `${kind} gets a new name and stays itself`,
      (dir) => {
        make(`${dir}/a`);
        const before = lstat(`${dir}/a`);
        rename(`${dir}/a`, `${dir}/b`);
        fails('ENOENT', () => lstat(`${dir}/a`));
        const after = lstat(`${dir}/b`);
        assert.equal(after.ino, before.ino);
        assert.equal(after.mode, before.mode);
        assert.equal(after.nlink, before.nlink);
      },
      { needsRoot },
    ),
  ),
  anyone('a file replaces a file, whose other link loses one', (dir) => {
    createFile(`${dir}/a`, 'new');
    createFile(`${dir}/b`, 'old');
    link(`${dir}/b`, `${dir}/c`);
    rename(`${dir}/a`, `${dir}/b`);
    assert.equal(contentOf(`${dir}/b`), 'new');
    assert.equal(contentOf(`${dir}/c`), 'old');
    assert.equal(lstat(`${dir}/c`).nlink, 1);
  }),
  anyone('a replaced file that is open stays readable', (dir) => {
    createFile(`${dir}/a`, 'new');
    createFile(`${dir}/b`, 'old');
    const fd = open(`${dir}/b`, O.RDONLY);
    rename(`${dir}/a`, `${dir}/b`);
    assert.equal(String(pread(fd, 10, 0)), 'old');
    close(fd);
  }),
  anyone('hard links of one file: nothing happens, both names stay', (dir) => {
    createFile(`${dir}/a`);
    link(`${dir}/a`, `${dir}/b`);
    rename(`${dir}/a`, `${dir}/b`);
    assert.equal(lstat(`${dir}/a`).ino, lstat(`${dir}/b`).ino);
    assert.equal(lstat(`${dir}/a`).nlink, 2);
  }),
  anyone('a name to itself: nothing happens', (dir) => {
    createFile(`${dir}/a`);
    const { ctime } = lstat(dir);
    later();
    rename(`${dir}/a`, `${dir}/a`);
    assert.equal(lstat(dir).ctime, ctime);
  }),
  anyone('a symbolic link is moved, not what it points to', (dir) => {
    createFile(`${dir}/target`);
    symlink('target', `${dir}/link`);
    rename(`${dir}/link`, `${dir}/moved`);
    assert.equal(String(readlink(`${dir}/moved`)), 'target');
    createFile(`${dir}/file`, 'x');
    rename(`${dir}/file`, `${dir}/moved`);
    assert.equal(lstat(`${dir}/moved`).mode & S.IFMT, S.IFREG);
    assert.equal(lstat(`${dir}/target`).size, 0);
  }),
  anyone('names of any bytes are moved', (dir) => {
    const name = Buffer.from([0xff, 0xfe, 0x01, 0x80]);
    createFile(below(dir, name), 'x');
    rename(below(dir, name), below(dir, Buffer.alloc(255, 0xe9)));
    assert.equal(lstat(below(dir, Buffer.alloc(255, 0xe9))).size, 1);
  }),
];

const times: Case[] = [
  anyone('ctime of the file and times of both directories move, mtime of the file stays', (dir) => {
    mkdir(`${dir}/from`);
    mkdir(`${dir}/to`);
    createFile(`${dir}/from/a`);
    const file = lstat(`${dir}/from/a`);
    const from = lstat(`${dir}/from`);
    const to = lstat(`${dir}/to`);
    later();
    rename(`${dir}/from/a`, `${dir}/to/a`);
    assert.ok(lstat(`${dir}/to/a`).ctime > file.ctime);
    assert.equal(lstat(`${dir}/to/a`).mtime, file.mtime);
    for (const [path, was] of [
      ['from', from],
      ['to', to],
    ] as const) {
      assert.ok(lstat(`${dir}/${path}`).mtime > was.mtime);
      assert.ok(lstat(`${dir}/${path}`).ctime > was.ctime);
    }
  }),
  anyone('ctime of a replaced file moves', (dir) => {
    createFile(`${dir}/a`);
    createFile(`${dir}/b`);
    link(`${dir}/b`, `${dir}/c`);
    const { ctime } = lstat(`${dir}/c`);
    later();
    rename(`${dir}/a`, `${dir}/b`);
    assert.ok(lstat(`${dir}/c`).ctime > ctime);
  }),
  anyone('a failed rename changes no time', (dir) => {
    createFile(`${dir}/a`);
    mkdir(`${dir}/d`);
    const before = [lstat(dir), lstat(`${dir}/a`), lstat(`${dir}/d`)].map(({ ctime }) => ctime);
    later();
    fails('EISDIR', () => rename(`${dir}/a`, `${dir}/d`));
    const after = [lstat(dir), lstat(`${dir}/a`), lstat(`${dir}/d`)].map(({ ctime }) => ctime);
    assert.deepEqual(after, before);
  }),
];

const directories: Case[] = [
  anyone('a directory moves to another parent: link counts and .. follow', (dir) => {
    mkdir(`${dir}/p`);
    mkdir(`${dir}/q`);
    mkdir(`${dir}/p/d`);
    rename(`${dir}/p/d`, `${dir}/q/d`);
    assert.equal(lstat(`${dir}/p`).nlink, 2);
    assert.equal(lstat(`${dir}/q`).nlink, 3);
    assert.equal(lstat(`${dir}/q/d/..`).ino, lstat(`${dir}/q`).ino);
  }),
  anyone('a directory that is open as working directory has the new ..', (dir) => {
    mkdir(`${dir}/p`);
    mkdir(`${dir}/q`);
    mkdir(`${dir}/p/d`);
    const before = process.cwd();
    process.chdir(`${dir}/p/d`);
    try {
      rename(`${dir}/p/d`, `${dir}/q/d`);
      assert.equal(lstat('..').ino, lstat(`${dir}/q`).ino);
    } finally {
      process.chdir(before);
    }
  }),
  anyone('a directory replaces an empty directory', (dir) => {
    mkdir(`${dir}/a`);
    createFile(`${dir}/a/kept`);
    mkdir(`${dir}/b`);
    const { ino } = lstat(`${dir}/a`);
    rename(`${dir}/a`, `${dir}/b`);
    assert.equal(lstat(`${dir}/b`).ino, ino);
    assert.ok(exists(`${dir}/b/kept`));
    assert.equal(lstat(dir).nlink, 3);
  }),
  anyone('a directory from elsewhere replaces an empty directory: link counts', (dir) => {
    mkdir(`${dir}/p`);
    mkdir(`${dir}/q`);
    mkdir(`${dir}/p/d`);
    mkdir(`${dir}/q/d`);
    rename(`${dir}/p/d`, `${dir}/q/d`);
    assert.equal(lstat(`${dir}/p`).nlink, 2);
    assert.equal(lstat(`${dir}/q`).nlink, 3);
  }),
  anyone('a directory does not replace one with something in it', (dir) => {
    mkdir(`${dir}/a`);
    mkdir(`${dir}/b`);
    createFile(`${dir}/b/x`);
    fails('ENOTEMPTY', () => rename(`${dir}/a`, `${dir}/b`));
    assert.ok(exists(`${dir}/a`));
    fails('ENOTEMPTY', () => rename(`${dir}/a`, dir));
  }),
  anyone('a directory does not replace anything else', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/file`);
    symlink('file', `${dir}/link`);
    mkfifo(`${dir}/fifo`);
    for (const name of ['file', 'link', 'fifo']) {
      fails('ENOTDIR', () => rename(`${dir}/d`, `${dir}/${name}`));
    }
  }),
  anyone('nothing else replaces a directory', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/file`);
    symlink('file', `${dir}/link`);
    mkfifo(`${dir}/fifo`);
    for (const name of ['file', 'link', 'fifo']) {
      fails('EISDIR', () => rename(`${dir}/${name}`, `${dir}/d`));
    }
  }),
  anyone('a directory does not move below itself', (dir) => {
    mkdir(`${dir}/d`);
    mkdir(`${dir}/d/e`);
    fails('EINVAL', () => rename(`${dir}/d`, `${dir}/d/x`));
    fails('EINVAL', () => rename(`${dir}/d`, `${dir}/d/e/x`));
    fails('ENOTEMPTY', () => rename(`${dir}/d/e`, `${dir}/d`));
  }),
  anyone('. and .. are not moved', (dir) => {
    mkdir(`${dir}/d`);
    for (const name of ['.', '..']) {
      fails('EBUSY', () => rename(`${dir}/d/${name}`, `${dir}/x`));
      fails('EBUSY', () => rename(`${dir}/d`, `${dir}/d/${name}`));
    }
  }),
  anyone('trailing slashes are for directories', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/file`);
    rename(`${dir}/d/`, `${dir}/e/`);
    assert.ok(exists(`${dir}/e`));
    fails('ENOTDIR', () => rename(`${dir}/file/`, `${dir}/x`));
    fails('ENOTDIR', () => rename(`${dir}/file`, `${dir}/x/`));
  }),
  anyone('what was removed is no place to move to', (dir) => {
    mkdir(`${dir}/gone`);
    createFile(`${dir}/file`);
    const before = process.cwd();
    process.chdir(`${dir}/gone`);
    try {
      rmdir(`${dir}/gone`);
      fails('ENOENT', () => rename(`${dir}/file`, 'file'));
    } finally {
      process.chdir(before);
    }
  }),
];

const errors: Case[] = [
  anyone('what is missing: ENOENT', (dir) => {
    createFile(`${dir}/a`);
    fails('ENOENT', () => rename(`${dir}/none`, `${dir}/b`));
    fails('ENOENT', () => rename(`${dir}/a`, `${dir}/none/b`));
    fails('ENOENT', () => rename(`${dir}/none/a`, `${dir}/b`));
    fails('ENOENT', () => rename(`${dir}/a`, ''));
  }),
  anyone('a file within a path: ENOTDIR', (dir) => {
    createFile(`${dir}/a`);
    createFile(`${dir}/b`);
    fails('ENOTDIR', () => rename(`${dir}/a/x`, `${dir}/c`));
    fails('ENOTDIR', () => rename(`${dir}/a`, `${dir}/b/x`));
  }),
  anyone('names and paths that are too long: ENAMETOOLONG', (dir) => {
    createFile(`${dir}/a`);
    const long = 'x'.repeat(256);
    fails('ENAMETOOLONG', () => rename(`${dir}/a`, `${dir}/${long}`));
    fails('ENAMETOOLONG', () => rename(`${dir}/${long}`, `${dir}/b`));
    fails('ENAMETOOLONG', () => rename(`${dir}/a`, '/x'.repeat(2048)));
  }),
  anyone('symbolic links in a circle: ELOOP', (dir) => {
    createFile(`${dir}/a`);
    symlink('y', `${dir}/x`);
    symlink('x', `${dir}/y`);
    fails('ELOOP', () => rename(`${dir}/x/a`, `${dir}/b`));
    fails('ELOOP', () => rename(`${dir}/a`, `${dir}/x/b`));
  }),
  anyone('another filesystem: EXDEV', (dir, { elsewhere }) => {
    createFile(`${dir}/a`);
    fails('EXDEV', () => rename(`${dir}/a`, `${elsewhere}/a`));
  }),
  anyone('flags that exclude each other, or that nobody knows: EINVAL', (dir) => {
    createFile(`${dir}/a`);
    createFile(`${dir}/b`);
    const wrong = [RENAME.NOREPLACE | RENAME.EXCHANGE, RENAME.WHITEOUT | RENAME.EXCHANGE, 0x80];
    for (const flags of wrong) fails('EINVAL', () => rename(`${dir}/a`, `${dir}/b`, flags));
  }),
];

const noReplace: Case[] = [
  anyone('NOREPLACE to a free name', (dir) => {
    createFile(`${dir}/a`, 'x');
    rename(`${dir}/a`, `${dir}/b`, RENAME.NOREPLACE);
    assert.equal(contentOf(`${dir}/b`), 'x');
    assert.ok(!exists(`${dir}/a`));
  }),
  anyone('NOREPLACE to a name that is taken, whatever has it', (dir) => {
    createFile(`${dir}/a`);
    createFile(`${dir}/file`);
    mkdir(`${dir}/d`);
    symlink('nowhere', `${dir}/link`);
    link(`${dir}/a`, `${dir}/same`);
    for (const name of ['file', 'd', 'link', 'same', 'a']) {
      fails('EEXIST', () => rename(`${dir}/a`, `${dir}/${name}`, RENAME.NOREPLACE));
    }
  }),
  anyone('NOREPLACE of a directory over an empty one', (dir) => {
    mkdir(`${dir}/a`);
    mkdir(`${dir}/b`);
    fails('EEXIST', () => rename(`${dir}/a`, `${dir}/b`, RENAME.NOREPLACE));
  }),
];

const exchange: Case[] = [
  anyone('EXCHANGE of two files', (dir) => {
    createFile(`${dir}/a`, 'a');
    createFile(`${dir}/b`, 'bb');
    const [a, b] = [lstat(`${dir}/a`), lstat(`${dir}/b`)];
    later();
    rename(`${dir}/a`, `${dir}/b`, RENAME.EXCHANGE);
    assert.equal(contentOf(`${dir}/a`), 'bb');
    assert.equal(contentOf(`${dir}/b`), 'a');
    assert.ok(lstat(`${dir}/b`).ctime > a.ctime);
    assert.ok(lstat(`${dir}/a`).ctime > b.ctime);
  }),
  anyone('EXCHANGE of a file and a directory with something in it, across directories', (dir) => {
    mkdir(`${dir}/p`);
    mkdir(`${dir}/q`);
    createFile(`${dir}/p/x`, 'x');
    mkdir(`${dir}/q/x`);
    createFile(`${dir}/q/x/inside`);
    rename(`${dir}/p/x`, `${dir}/q/x`, RENAME.EXCHANGE);
    assert.ok(exists(`${dir}/p/x/inside`));
    assert.equal(contentOf(`${dir}/q/x`), 'x');
    assert.equal(lstat(`${dir}/p`).nlink, 3);
    assert.equal(lstat(`${dir}/q`).nlink, 2);
    assert.equal(lstat(`${dir}/p/x/..`).ino, lstat(`${dir}/p`).ino);
  }),
  anyone('EXCHANGE of two directories across directories', (dir) => {
    for (const name of ['p', 'q', 'p/d', 'q/e']) mkdir(`${dir}/${name}`);
    const { ino } = lstat(`${dir}/p/d`);
    rename(`${dir}/p/d`, `${dir}/q/e`, RENAME.EXCHANGE);
    assert.equal(lstat(`${dir}/q/e`).ino, ino);
    assert.equal(lstat(`${dir}/q/e/..`).ino, lstat(`${dir}/q`).ino);
    assert.equal(lstat(`${dir}/p`).nlink, 3);
  }),
  anyone('EXCHANGE with a symbolic link', (dir) => {
    createFile(`${dir}/a`);
    symlink('a', `${dir}/l`);
    rename(`${dir}/a`, `${dir}/l`, RENAME.EXCHANGE);
    assert.equal(String(readlink(`${dir}/a`)), 'a');
    fails('ELOOP', () => stat(`${dir}/a`));
  }),
  anyone('EXCHANGE needs both names', (dir) => {
    createFile(`${dir}/a`);
    fails('ENOENT', () => rename(`${dir}/a`, `${dir}/b`, RENAME.EXCHANGE));
    fails('ENOENT', () => rename(`${dir}/b`, `${dir}/a`, RENAME.EXCHANGE));
  }),
  anyone('EXCHANGE puts no directory below itself', (dir) => {
    mkdir(`${dir}/d`);
    mkdir(`${dir}/d/e`);
    fails('EINVAL', () => rename(`${dir}/d`, `${dir}/d/e`, RENAME.EXCHANGE));
    fails('EINVAL', () => rename(`${dir}/d/e`, `${dir}/d`, RENAME.EXCHANGE));
  }),
  anyone('EXCHANGE of hard links of one file', (dir) => {
    createFile(`${dir}/a`);
    link(`${dir}/a`, `${dir}/b`);
    rename(`${dir}/a`, `${dir}/b`, RENAME.EXCHANGE);
    assert.equal(lstat(`${dir}/a`).nlink, 2);
  }),
];

function isWhiteout(path: string): void {
  const { mode, rdevMajor, rdevMinor } = lstat(path);
  assert.equal(mode & S.IFMT, S.IFCHR);
  assert.deepEqual([rdevMajor, rdevMinor], [0, 0]);
}

const whiteout: Case[] = [
  root('WHITEOUT leaves a character device 0:0 behind', (dir) => {
    createFile(`${dir}/a`, 'x');
    rename(`${dir}/a`, `${dir}/b`, RENAME.WHITEOUT);
    isWhiteout(`${dir}/a`);
    assert.equal(contentOf(`${dir}/b`), 'x');
  }),
  root('WHITEOUT replaces what is there', (dir) => {
    createFile(`${dir}/a`, 'x');
    createFile(`${dir}/b`, 'y');
    rename(`${dir}/a`, `${dir}/b`, RENAME.WHITEOUT);
    isWhiteout(`${dir}/a`);
    assert.equal(contentOf(`${dir}/b`), 'x');
    createFile(`${dir}/c`);
    fails('EEXIST', () => rename(`${dir}/c`, `${dir}/b`, RENAME.WHITEOUT | RENAME.NOREPLACE));
  }),
  root('WHITEOUT of a directory into another: link counts', (dir) => {
    for (const name of ['p', 'q', 'p/d']) mkdir(`${dir}/${name}`);
    rename(`${dir}/p/d`, `${dir}/q/d`, RENAME.WHITEOUT);
    isWhiteout(`${dir}/p/d`);
    assert.equal(lstat(`${dir}/p`).nlink, 2);
    assert.equal(lstat(`${dir}/q`).nlink, 3);
  }),
];

export const renameFamily: Family = {
  name: 'rename',
  cases: [...basics, ...times, ...directories, ...errors, ...noReplace, ...exchange, ...whiteout],
};
