/** mkdir(2), rmdir(2), and what a directory says of itself. */
import assert from 'node:assert/strict';
import { chmod, chown, lstat, modeOf, stat, withUmask } from './system/attributes.js';
import { ALICE, as, BOB } from './system/credentials.js';
import { createFile, O, open, openAt, withOpen, close } from './system/files.js';
import { mkdir, mkfifo, rmdir, symlink, unlink, restOfDirectory } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { exists, later, MAKERS } from './kit.js';

const making: Case[] = [
  ...each([0o755, 0o700, 0o1777, 0o151, 0o000, 0o777], (mode) =>
    anyone(`mkdir with mode ${mode.toString(8)}`, (dir) => {
      withUmask(0, () => mkdir(`${dir}/d`, mode));
      assert.equal(modeOf(`${dir}/d`), mode);
    }),
  ),
  anyone('mkdir takes the umask off, and no set-id bits', (dir) => {
    withUmask(0o027, () => mkdir(`${dir}/d`, 0o777));
    assert.equal(modeOf(`${dir}/d`), 0o750);
    withUmask(0, () => mkdir(`${dir}/e`, 0o6755));
    assert.equal(modeOf(`${dir}/e`), 0o755);
  }),
  anyone('link counts follow subdirectories', (dir) => {
    mkdir(`${dir}/d`);
    assert.equal(lstat(`${dir}/d`).nlink, 2);
    mkdir(`${dir}/d/1`);
    mkdir(`${dir}/d/2`);
    createFile(`${dir}/d/file`);
    assert.equal(lstat(`${dir}/d`).nlink, 4);
    rmdir(`${dir}/d/1`);
    assert.equal(lstat(`${dir}/d`).nlink, 3);
  }),
  anyone('mkdir moves the times of the parent, and all its own are the same', (dir) => {
    const before = lstat(dir);
    later();
    mkdir(`${dir}/d`);
    assert.ok(lstat(dir).mtime > before.mtime);
    assert.ok(lstat(dir).ctime > before.ctime);
    const { atime, mtime, ctime, btime } = lstat(`${dir}/d`);
    assert.ok(atime === mtime && mtime === ctime && ctime === btime);
  }),
  anyone('a trailing slash is allowed', (dir) => {
    mkdir(`${dir}/d/`);
    rmdir(`${dir}/d/`);
  }),
  anyone('mkdir through a dangling symbolic link is refused', (dir) => {
    symlink('nowhere', `${dir}/l`);
    fails('EEXIST', () => mkdir(`${dir}/l`));
    fails('EEXIST', () => mkdir(`${dir}/l/`));
  }),
  root('a new directory belongs to who makes it', (dir) => {
    chmod(dir, 0o777);
    as(ALICE, () => mkdir(`${dir}/d`));
    assert.deepEqual([lstat(`${dir}/d`).uid, lstat(`${dir}/d`).gid], [ALICE.uid, ALICE.gid]);
  }),
  ...each(MAKERS, ({ kind, make }) =>
    root(`set-group-id directory: ${kind} gets its group`, (dir) => {
      chown(dir, 0, BOB.gid);
      chmod(dir, 0o2777);
      make(`${dir}/x`);
      assert.equal(lstat(`${dir}/x`).gid, BOB.gid);
      const inherits = kind === 'a directory' ? 0o2000 : 0;
      assert.equal(modeOf(`${dir}/x`) & 0o6000, inherits);
    }),
  ),
  root('set-group-id directory: a stranger makes no set-group-id program of its group', (dir) => {
    chown(dir, 0, BOB.gid);
    chmod(dir, 0o2777);
    as(ALICE, () => withUmask(0, () => createFile(`${dir}/x`, '', 0o2775)));
    assert.equal(modeOf(`${dir}/x`), 0o775);
    as(BOB, () => withUmask(0, () => createFile(`${dir}/y`, '', 0o2775)));
    assert.equal(modeOf(`${dir}/y`), 0o2775);
    const member = { ...ALICE, groups: [BOB.gid] };
    as(member, () => withUmask(0, () => createFile(`${dir}/z`, '', 0o2775)));
    assert.equal(modeOf(`${dir}/z`), 0o2775);
    as(ALICE, () => withUmask(0, () => createFile(`${dir}/w`, '', 0o2765)));
    assert.equal(modeOf(`${dir}/w`), 0o2765);
  }),
];

const removing: Case[] = [
  anyone('rmdir moves the times of the parent', (dir) => {
    mkdir(`${dir}/d`);
    const before = lstat(dir);
    later();
    rmdir(`${dir}/d`);
    assert.ok(lstat(dir).mtime > before.mtime);
    assert.ok(lstat(dir).ctime > before.ctime);
  }),
  ...each(MAKERS, ({ kind, make, needsRoot }) =>
    anyone(
      `rmdir of a directory with ${kind} in it`,
      (dir) => {
        mkdir(`${dir}/d`);
        make(`${dir}/d/x`);
        fails('ENOTEMPTY', () => rmdir(`${dir}/d`));
        assert.ok(exists(`${dir}/d/x`));
      },
      { needsRoot },
    ),
  ),
  ...each(
    MAKERS.filter(({ kind }) => kind !== 'a directory'),
    ({ kind, make, needsRoot }) =>
      anyone(
        `rmdir of ${kind}`,
        (dir) => {
          make(`${dir}/x`);
          fails('ENOTDIR', () => rmdir(`${dir}/x`));
        },
        { needsRoot },
      ),
  ),
  anyone('rmdir of . and ..', (dir) => {
    mkdir(`${dir}/d`);
    fails('EINVAL', () => rmdir(`${dir}/d/.`));
    fails('ENOTEMPTY', () => rmdir(`${dir}/d/..`));
    mkdir(`${dir}/d/e`);
    fails('ENOTEMPTY', () => rmdir(`${dir}/d/e/..`));
  }),
  anyone('rmdir does not follow a symbolic link', (dir) => {
    mkdir(`${dir}/d`);
    symlink('d', `${dir}/l`);
    fails('ENOTDIR', () => rmdir(`${dir}/l`));
    fails('ENOTDIR', () => rmdir(`${dir}/l/`));
  }),
  anyone('a removed directory that is open is not listed, and nothing is made in it', (dir) => {
    mkdir(`${dir}/d`);
    const fd = open(`${dir}/d`, O.RDONLY | O.DIRECTORY);
    rmdir(`${dir}/d`);
    fails('ENOENT', () => restOfDirectory(fd));
    fails('ENOENT', () => openAt(fd, 'x', O.CREAT | O.WRONLY));
    assert.equal(stat(`/proc/self/fd/${fd}`).nlink, 0);
    close(fd);
  }),
  anyone('a name is free again at once', (dir) => {
    for (let i = 0; i < 20; i++) {
      mkdir(`${dir}/d`);
      rmdir(`${dir}/d`);
      createFile(`${dir}/d`);
      unlink(`${dir}/d`);
    }
  }),
];

interface Sticky {
  who: string;
  directoryUid: number;
  entryUid: number;
  allowed: boolean;
}

const STICKY: readonly Sticky[] = [
  { who: 'both its own', directoryUid: ALICE.uid, entryUid: ALICE.uid, allowed: true },
  { who: 'its own directory', directoryUid: ALICE.uid, entryUid: BOB.uid, allowed: true },
  { who: 'its own entry', directoryUid: BOB.uid, entryUid: ALICE.uid, allowed: true },
  { who: 'nothing its own', directoryUid: BOB.uid, entryUid: BOB.uid, allowed: false },
];

const sticky: Case[] = STICKY.flatMap(({ who, directoryUid, entryUid, allowed }) => {
  const setUp = (dir: string): void => {
    mkdir(`${dir}/s`);
    chown(`${dir}/s`, directoryUid, -1);
    chmod(`${dir}/s`, 0o1777);
  };
  const attempt = (work: () => void): void =>
    as(ALICE, () => (allowed ? work() : fails('EPERM', work)));
  return [
    root(`sticky, ${who}: rmdir ${allowed ? 'works' : 'is refused'}`, (dir) => {
      setUp(dir);
      mkdir(`${dir}/s/d`);
      chown(`${dir}/s/d`, entryUid, -1);
      attempt(() => rmdir(`${dir}/s/d`));
    }),
    root(`sticky, ${who}: unlink ${allowed ? 'works' : 'is refused'}`, (dir) => {
      setUp(dir);
      createFile(`${dir}/s/f`);
      mkfifo(`${dir}/s/fifo`);
      for (const name of ['f', 'fifo']) chown(`${dir}/s/${name}`, entryUid, -1);
      for (const name of ['f', 'fifo']) attempt(() => unlink(`${dir}/s/${name}`));
    }),
  ];
});

const said: Case[] = [
  anyone('size and blocks of a directory are those of its own data', (dir) => {
    const { size, blocks, blockSize } = lstat(dir);
    assert.deepEqual([size, blocks, blockSize], [4096, 8, 4096]);
  }),
  anyone('a directory is opened for reading only', (dir) => {
    fails('EISDIR', () => open(dir, O.WRONLY));
    fails('EISDIR', () => open(dir, O.RDWR));
    fails('EISDIR', () => open(dir, O.RDONLY | O.CREAT));
    withOpen(dir, O.RDONLY, () => 0);
  }),
  anyone('O_DIRECTORY opens nothing else', (dir) => {
    createFile(`${dir}/f`);
    mkfifo(`${dir}/p`);
    symlink('nowhere', `${dir}/l`);
    for (const name of ['f', 'p']) {
      fails('ENOTDIR', () => open(`${dir}/${name}`, O.RDONLY | O.DIRECTORY));
    }
    fails('ENOENT', () => open(`${dir}/l`, O.RDONLY | O.DIRECTORY));
  }),
];

export const directories: Family = {
  name: 'directories',
  cases: [...making, ...removing, ...sticky, ...said],
};
