/** File handles as an NFS server uses them, inode numbers, statfs(2), statx(2), inotify(7). */
import assert from 'node:assert/strict';
import { chmod, chown, fstat, lstat, stat, statfs, utimens } from './system/attributes.js';
import { call } from './system/calls.js';
import { close, createFile, O, pread, pwrite, truncate, withOpen } from './system/files.js';
import {
  link,
  mkdir,
  nameToHandle,
  openByHandle,
  rename,
  restOfDirectory,
  rmdir,
  symlink,
  unlink,
} from './system/names.js';
import { IN, noticesOf, type Notice } from './system/notices.js';
import { setxattr } from './system/xattrs.js';
import { anyone, fails, root, type Case, type Family } from './cases.js';

const handles: Case[] = [
  root('a file is opened by its handle, whatever its name has become', (dir) => {
    createFile(`${dir}/f`, 'content');
    const handle = nameToHandle(`${dir}/f`);
    rename(`${dir}/f`, `${dir}/g`);
    withOpen(dir, O.RDONLY, (mount) => {
      const fd = openByHandle(mount, handle, O.RDWR);
      assert.equal(String(pread(fd, 20, 0)), 'content');
      assert.equal(fstat(fd).ino, lstat(`${dir}/g`).ino);
      close(fd);
    });
  }),
  root('a directory is opened by its handle, and listed', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/d/x`);
    const handle = nameToHandle(`${dir}/d`);
    withOpen(dir, O.RDONLY, (mount) => {
      const fd = openByHandle(mount, handle, O.RDONLY | O.DIRECTORY);
      assert.ok(restOfDirectory(fd).some(({ name }) => name === 'x'));
      close(fd);
    });
  }),
  root('a handle of what is gone: ESTALE', (dir) => {
    createFile(`${dir}/f`);
    const handle = nameToHandle(`${dir}/f`);
    unlink(`${dir}/f`);
    createFile(`${dir}/f`);
    withOpen(dir, O.RDONLY, (mount) => {
      fails('ESTALE', () => openByHandle(mount, handle, O.RDONLY));
    });
  }),
  root('hard links have one handle, different files have different ones', (dir) => {
    createFile(`${dir}/f`);
    createFile(`${dir}/other`);
    link(`${dir}/f`, `${dir}/g`);
    assert.deepEqual(nameToHandle(`${dir}/f`), nameToHandle(`${dir}/g`));
    assert.notDeepEqual(nameToHandle(`${dir}/f`), nameToHandle(`${dir}/other`));
  }),
  root(
    'handles and inode numbers last over a remount',
    async (dir, env) => {
      mkdir(`${dir}/d`);
      mkdir(`${dir}/d/e`);
      createFile(`${dir}/d/e/f`, 'content');
      symlink('f', `${dir}/d/e/l`);
      const names = ['d', 'd/e', 'd/e/f', 'd/e/l'];
      const numbers = names.map((name) => lstat(`${dir}/${name}`).ino);
      const file = nameToHandle(`${dir}/d/e/f`);
      const directory = nameToHandle(`${dir}/d/e`);
      await env.remount();
      withOpen(dir, O.RDONLY, (mount) => {
        // Nothing of the tree was looked up before: the way up is found by `..`.
        const folder = openByHandle(mount, directory, O.RDONLY | O.DIRECTORY);
        assert.equal(stat(`/proc/self/fd/${folder}/..`).ino, numbers[0]);
        close(folder);
        const fd = openByHandle(mount, file, O.RDONLY);
        assert.equal(String(pread(fd, 20, 0)), 'content');
        close(fd);
      });
      assert.deepEqual(
        names.map((name) => lstat(`${dir}/${name}`).ino),
        numbers,
      );
    },
    { remounts: true },
  ),
];

const sizes: Case[] = [
  anyone('statfs: blocks of 4096, names of 255 bytes, and room that is there', (dir) => {
    const s = statfs(dir);
    assert.deepEqual([s.blockSize, s.fragmentSize, s.nameLength], [4096, 4096, 255]);
    assert.ok(s.blocks > 0 && s.freeBlocks <= s.blocks && s.availableBlocks <= s.freeBlocks);
    assert.ok(s.files > 0 && s.freeFiles > 0 && s.freeFiles <= s.files);
  }),
  anyone('statfs: a new file takes one of those that are free', (dir) => {
    const used = (): number => statfs(dir).files - statfs(dir).freeFiles;
    const before = used();
    for (let i = 0; i < 10; i++) createFile(`${dir}/${i}`);
    assert.equal(used() - before, 10);
  }),
  anyone('statfs of a file says the same as of its directory', (dir) => {
    createFile(`${dir}/f`);
    const [before, ofFile, after] = [statfs(dir), statfs(`${dir}/f`), statfs(dir)];
    assert.equal(ofFile.type, before.type);
    // What others write on a tier may count between two calls.
    assert.ok([before.blocks, after.blocks].includes(ofFile.blocks));
  }),
  anyone('st_blocks counts what is stored, st_blksize is 4096', (dir) => {
    createFile(`${dir}/f`, Buffer.alloc(100_000, 1));
    withOpen(`${dir}/f`, O.RDONLY, (fd) => call('fsync', fd));
    // Attributes of the backing file may take a block, as those of a file on ext4 do.
    const { blocks } = lstat(`${dir}/f`);
    assert.ok(blocks >= 200 && blocks <= 208, String(blocks));
    assert.equal(lstat(`${dir}/f`).blockSize, 4096);
    truncate(`${dir}/f`, 0);
    assert.ok(lstat(`${dir}/f`).blocks <= 8);
    truncate(`${dir}/f`, 1 << 20);
    assert.equal(lstat(`${dir}/f`).size, 1 << 20);
    assert.ok(lstat(`${dir}/f`).blocks <= 8);
  }),
  anyone('statx gives all fields, and one device number for all', (dir) => {
    createFile(`${dir}/f`);
    mkdir(`${dir}/d`);
    const [file, directory] = [lstat(`${dir}/f`), lstat(`${dir}/d`)];
    assert.equal(file.mask & 0xfff, 0xfff);
    assert.deepEqual([file.devMajor, file.devMinor], [directory.devMajor, directory.devMinor]);
    assert.equal(file.mountId, directory.mountId);
  }),
];

const summary = (notices: Notice[]): string[] =>
  notices.map(({ mask, name }) => {
    const words = Object.entries(IN).flatMap(([word, bit]) => ((mask & bit) !== 0 ? [word] : []));
    return `${words.join('+')} ${name}`.trim();
  });

const watching: Case[] = [
  anyone('inotify tells of new, renamed and removed names', (dir) => {
    mkdir(`${dir}/d`);
    const mask = IN.CREATE | IN.DELETE | IN.MOVED_FROM | IN.MOVED_TO;
    const notices = noticesOf(`${dir}/d`, mask, () => {
      createFile(`${dir}/d/a`);
      rename(`${dir}/d/a`, `${dir}/d/b`);
      link(`${dir}/d/b`, `${dir}/d/c`);
      mkdir(`${dir}/d/e`);
      symlink('x', `${dir}/d/l`);
      unlink(`${dir}/d/b`);
      rmdir(`${dir}/d/e`);
    });
    const expected = ['CREATE a', 'MOVED_FROM a', 'MOVED_TO b', 'CREATE c', 'CREATE+ISDIR e'];
    expected.push('CREATE l', 'DELETE b', 'DELETE+ISDIR e');
    assert.deepEqual(summary(notices), expected);
    assert.equal(notices[1].cookie, notices[2].cookie);
  }),
  anyone('inotify tells of writes, attributes, opens and closes', (dir) => {
    createFile(`${dir}/f`, 'abc');
    const mask = IN.MODIFY | IN.ATTRIB | IN.OPEN | IN.CLOSE_WRITE | IN.CLOSE_NOWRITE | IN.ACCESS;
    const notices = noticesOf(`${dir}/f`, mask, () => {
      withOpen(`${dir}/f`, O.WRONLY, (fd) => pwrite(fd, 'x', 0));
      withOpen(`${dir}/f`, O.RDONLY, (fd) => pread(fd, 1, 0));
      chmod(`${dir}/f`, 0o600);
      chown(`${dir}/f`, -1, -1);
      utimens(`${dir}/f`, 1n, 1n);
      setxattr(`${dir}/f`, 'user.x', 'x');
      truncate(`${dir}/f`, 0);
    });
    const opened = ['OPEN', 'MODIFY', 'CLOSE_WRITE', 'OPEN', 'ACCESS', 'CLOSE_NOWRITE'];
    // Equal ones in a row are merged.
    const changed = ['ATTRIB', 'MODIFY'];
    assert.deepEqual(summary(notices), [...opened, ...changed]);
  }),
  anyone('inotify tells a watched file that it is moved and removed', (dir) => {
    createFile(`${dir}/f`);
    const mask = IN.MOVE_SELF | IN.DELETE_SELF | IN.ATTRIB;
    const notices = noticesOf(`${dir}/f`, mask, () => {
      rename(`${dir}/f`, `${dir}/g`);
      unlink(`${dir}/g`);
    });
    assert.deepEqual(summary(notices), ['MOVE_SELF', 'ATTRIB', 'DELETE_SELF', 'IGNORED']);
  }),
];

export const handlesFamily: Family = {
  name: 'handles',
  cases: [...handles, ...sizes, ...watching],
};
