/** unlink(2), and O_EXCL. */
import assert from 'node:assert/strict';
import { fstat, lstat, modeOf, S, withUmask, chmod, chown } from './system/attributes.js';
import { ALICE, as, BOB } from './system/credentials.js';
import { close, createFile, O, open, pread, pwrite, withOpen } from './system/files.js';
import { link, mkdir, rename, symlink, unlink } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { contentOf, exists, later, MAKERS } from './kit.js';

const removing: Case[] = [
  ...each(
    MAKERS.filter(({ type }) => type !== S.IFDIR),
    ({ kind, make, needsRoot }) =>
      anyone(
        `unlink of ${kind}; times of the directory move`,
        (dir) => {
          make(`${dir}/x`);
          const before = lstat(dir);
          later();
          unlink(`${dir}/x`);
          assert.ok(!exists(`${dir}/x`));
          assert.ok(lstat(dir).mtime > before.mtime);
          assert.ok(lstat(dir).ctime > before.ctime);
        },
        { needsRoot },
      ),
  ),
  anyone('unlink of a directory', (dir) => {
    mkdir(`${dir}/d`);
    fails('EISDIR', () => unlink(`${dir}/d`));
    fails('EISDIR', () => unlink(`${dir}/d/`));
    fails('EISDIR', () => unlink(`${dir}/d/.`));
  }),
  anyone('unlink of a file with a trailing slash', (dir) => {
    createFile(`${dir}/f`);
    fails('ENOTDIR', () => unlink(`${dir}/f/`));
    assert.ok(exists(`${dir}/f`));
  }),
  anyone('unlink removes the link, not what it points to', (dir) => {
    createFile(`${dir}/f`);
    symlink('f', `${dir}/l`);
    unlink(`${dir}/l`);
    assert.ok(exists(`${dir}/f`));
  }),
  anyone('an open file without a name has link count 0 and works', (dir) => {
    createFile(`${dir}/f`, 'before');
    const fd = open(`${dir}/f`, O.RDWR);
    const { ctime } = fstat(fd);
    later();
    unlink(`${dir}/f`);
    assert.equal(fstat(fd).nlink, 0);
    assert.ok(fstat(fd).ctime > ctime);
    pwrite(fd, 'after', 0);
    assert.equal(String(pread(fd, 10, 0)), 'aftere');
    close(fd);
  }),
  anyone('the name of an open file is free for another', (dir) => {
    createFile(`${dir}/f`, 'old');
    const fd = open(`${dir}/f`, O.RDONLY);
    unlink(`${dir}/f`);
    createFile(`${dir}/f`, 'new');
    assert.equal(String(pread(fd, 10, 0)), 'old');
    assert.equal(contentOf(`${dir}/f`), 'new');
    assert.notEqual(fstat(fd).ino, lstat(`${dir}/f`).ino);
    close(fd);
  }),
  anyone('unlink of one name of an open file leaves the other', (dir) => {
    createFile(`${dir}/f`, 'x');
    link(`${dir}/f`, `${dir}/g`);
    const fd = open(`${dir}/f`, O.RDONLY);
    unlink(`${dir}/f`);
    assert.equal(fstat(fd).nlink, 1);
    rename(`${dir}/g`, `${dir}/f`);
    assert.equal(fstat(fd).ino, lstat(`${dir}/f`).ino);
    close(fd);
  }),
  root('unlink needs permission on the directory only', (dir) => {
    createFile(`${dir}/f`, '', 0o000);
    mkdir(`${dir}/d`);
    chmod(`${dir}/d`, 0o777);
    createFile(`${dir}/d/f`, '', 0o000);
    as(ALICE, () => {
      fails('EACCES', () => unlink(`${dir}/f`));
      unlink(`${dir}/d/f`);
    });
  }),
];

const creating: Case[] = [
  ...each([0o644, 0o600, 0o755, 0o000, 0o4755, 0o2755, 0o1644, 0o7777], (mode) =>
    anyone(`a new file gets mode ${mode.toString(8)}`, (dir) => {
      withUmask(0, () => createFile(`${dir}/f`, '', mode));
      assert.equal(modeOf(`${dir}/f`), mode);
    }),
  ),
  ...each([0o022, 0o077, 0o777, 0o151], (mask) =>
    anyone(`a new file loses what umask ${mask.toString(8)} says`, (dir) => {
      withUmask(mask, () => createFile(`${dir}/f`, '', 0o666));
      assert.equal(modeOf(`${dir}/f`), 0o666 & ~mask);
    }),
  ),
  anyone('O_EXCL fails for anything that is there, and changes nothing', (dir) => {
    for (const { make, needsRoot, kind } of MAKERS) {
      if (needsRoot) continue;
      const path = `${dir}/${kind}`;
      make(path);
      const before = lstat(path);
      fails('EEXIST', () => open(path, O.CREAT | O.EXCL | O.RDWR | O.TRUNC));
      assert.equal(lstat(path).mtime, before.mtime);
    }
  }),
  anyone('O_CREAT opens what is there, mode and all stay', (dir) => {
    createFile(`${dir}/f`, 'kept', 0o600);
    withOpen(`${dir}/f`, O.CREAT | O.WRONLY, () => 0, 0o777);
    assert.equal(contentOf(`${dir}/f`), 'kept');
    assert.equal(modeOf(`${dir}/f`), 0o600);
  }),
  anyone('O_CREAT that finds its file moves no time of the directory', (dir) => {
    createFile(`${dir}/f`);
    const before = lstat(dir);
    later();
    withOpen(`${dir}/f`, O.CREAT | O.WRONLY, () => 0);
    assert.equal(lstat(dir).mtime, before.mtime);
  }),
  anyone(
    'a new file may be written through the descriptor that made it, whatever its mode',
    (dir) => {
      withOpen(`${dir}/f`, O.CREAT | O.EXCL | O.RDWR, (fd) => pwrite(fd, 'x', 0), 0o000);
      assert.equal(lstat(`${dir}/f`).size, 1);
    },
  ),
  anyone('a new file: one link, no data, all times the same', (dir) => {
    createFile(`${dir}/f`);
    const { nlink, size, blocks, atime, mtime, ctime, btime } = lstat(`${dir}/f`);
    assert.deepEqual([nlink, size, blocks], [1, 0, 0]);
    assert.ok(atime === mtime && mtime === ctime && ctime === btime);
  }),
  root(
    'a new file belongs to who makes it; in a sticky directory others may not open it so',
    (dir) => {
      chmod(dir, 0o777);
      as(ALICE, () => createFile(`${dir}/f`));
      const { uid, gid } = lstat(`${dir}/f`);
      assert.deepEqual([uid, gid], [ALICE.uid, ALICE.gid]);
      chown(`${dir}/f`, BOB.uid, BOB.gid);
      chmod(`${dir}/f`, 0o666);
      as(ALICE, () => withOpen(`${dir}/f`, O.CREAT | O.WRONLY, () => 0));
    },
  ),
];

export const unlinking: Family = { name: 'unlink', cases: [...removing, ...creating] };
