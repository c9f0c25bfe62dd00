/** Extended attributes, and capabilities of programs, which are one. */
import assert from 'node:assert/strict';
import { chmod, chown, lstat, S } from './system/attributes.js';
import { u32 } from './system/calls.js';
import { ALICE, as } from './system/credentials.js';
import {
  close,
  createFile,
  ftruncate,
  O,
  open,
  pwrite,
  truncate,
  withOpen,
} from './system/files.js';
import { link, mkdir, rename, symlink, unlink } from './system/names.js';
import {
  fgetxattr,
  fremovexattr,
  fsetxattr,
  getxattr,
  lgetxattr,
  listLength,
  listxattr,
  llistxattr,
  lsetxattr,
  removexattr,
  setxattr,
  XATTR,
  xattrLength,
} from './system/xattrs.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { later, MAKERS } from './kit.js';

/** What fits into a block of ext4 beside the rest. */
const LARGE = 3_500;

const basics: Case[] = [
  ...each([0, 1, 255, LARGE], (length) =>
    anyone(`a value of ${length} bytes is given back`, (dir) => {
      createFile(`${dir}/f`);
      const value = Buffer.alloc(length, 0xfe);
      setxattr(`${dir}/f`, 'user.x', value);
      assert.deepEqual(getxattr(`${dir}/f`, 'user.x'), value);
      assert.equal(xattrLength(`${dir}/f`, 'user.x'), length);
    }),
  ),
  anyone('a value changes in length, and is replaced as a whole', (dir) => {
    createFile(`${dir}/f`);
    for (const length of [10, 1000, 3, 0, 200]) {
      setxattr(`${dir}/f`, 'user.x', Buffer.alloc(length, length));
      assert.deepEqual(getxattr(`${dir}/f`, 'user.x'), Buffer.alloc(length, length));
    }
  }),
  anyone('CREATE and REPLACE', (dir) => {
    createFile(`${dir}/f`);
    fails('ENODATA', () => setxattr(`${dir}/f`, 'user.x', 'a', XATTR.REPLACE));
    setxattr(`${dir}/f`, 'user.x', 'b', XATTR.CREATE);
    fails('EEXIST', () => setxattr(`${dir}/f`, 'user.x', 'c', XATTR.CREATE));
    assert.equal(String(getxattr(`${dir}/f`, 'user.x')), 'b');
    setxattr(`${dir}/f`, 'user.x', 'd', XATTR.REPLACE);
    assert.equal(String(getxattr(`${dir}/f`, 'user.x')), 'd');
    fails('EINVAL', () => setxattr(`${dir}/f`, 'user.x', 'e', 4));
  }),
  anyone('what is not there: ENODATA', (dir) => {
    createFile(`${dir}/f`);
    setxattr(`${dir}/f`, 'user.x', 'a');
    fails('ENODATA', () => getxattr(`${dir}/f`, 'user.y'));
    fails('ENODATA', () => removexattr(`${dir}/f`, 'user.y'));
    removexattr(`${dir}/f`, 'user.x');
    fails('ENODATA', () => getxattr(`${dir}/f`, 'user.x'));
    fails('ENODATA', () => removexattr(`${dir}/f`, 'user.x'));
  }),
  anyone('room that is too small: ERANGE', (dir) => {
    createFile(`${dir}/f`);
    setxattr(`${dir}/f`, 'user.long', 'x'.repeat(100));
    fails('ERANGE', () => getxattr(`${dir}/f`, 'user.long', 99));
    fails('ERANGE', () => listxattr(`${dir}/f`, 5));
    assert.equal(listLength(`${dir}/f`), 'user.long'.length + 1);
    assert.equal(getxattr(`${dir}/f`, 'user.long', 100).length, 100);
  }),
  anyone('all names are listed, each once', (dir) => {
    createFile(`${dir}/f`);
    const names = Array.from({ length: 40 }, (_, i) => `user.name-${i}`).sort();
    for (const name of names) setxattr(`${dir}/f`, name, name);
    assert.deepEqual(listxattr(`${dir}/f`), names);
    for (const name of names.slice(0, 20)) removexattr(`${dir}/f`, name);
    assert.deepEqual(listxattr(`${dir}/f`), names.slice(20));
  }),
  anyone('names: case counts, any bytes, up to 255, and no more', (dir) => {
    createFile(`${dir}/f`);
    setxattr(`${dir}/f`, 'user.a', '1');
    setxattr(`${dir}/f`, 'user.A', '2');
    assert.equal(String(getxattr(`${dir}/f`, 'user.a')), '1');
    const odd = Buffer.from([...Buffer.from('user.'), 0xff, 0xfe, 0x2f]);
    setxattr(`${dir}/f`, odd, 'odd');
    assert.equal(String(getxattr(`${dir}/f`, odd)), 'odd');
    setxattr(`${dir}/f`, `user.${'n'.repeat(250)}`, 'x');
    fails('ERANGE', () => setxattr(`${dir}/f`, `user.${'n'.repeat(251)}`, 'x'));
    fails('ERANGE', () => setxattr(`${dir}/f`, '', 'x'));
  }),
  anyone('names without a namespace, or of one that nobody knows', (dir) => {
    createFile(`${dir}/f`);
    for (const name of ['plain', 'nobody.knows', 'user', '.x']) {
      fails('EOPNOTSUPP', () => setxattr(`${dir}/f`, name, 'x'));
    }
    fails('EINVAL', () => setxattr(`${dir}/f`, 'user.', 'x'));
    fails('EOPNOTSUPP', () => setxattr(`${dir}/f`, 'system.nothing', 'x'));
    fails('EOPNOTSUPP', () => getxattr(`${dir}/f`, 'system.nothing'));
  }),
  anyone('ctime moves, mtime does not', (dir) => {
    createFile(`${dir}/f`);
    const before = lstat(`${dir}/f`);
    later();
    setxattr(`${dir}/f`, 'user.x', 'x');
    const set = lstat(`${dir}/f`);
    assert.ok(set.ctime > before.ctime);
    assert.equal(set.mtime, before.mtime);
    later();
    removexattr(`${dir}/f`, 'user.x');
    assert.ok(lstat(`${dir}/f`).ctime > set.ctime);
  }),
  anyone('by path, by hard link, by descriptor: the same, also without a name', (dir) => {
    createFile(`${dir}/f`);
    link(`${dir}/f`, `${dir}/g`);
    setxattr(`${dir}/g`, 'user.x', '1');
    withOpen(`${dir}/f`, O.RDWR, (fd) => {
      assert.equal(String(fgetxattr(fd, 'user.x')), '1');
      unlink(`${dir}/f`);
      unlink(`${dir}/g`);
      fsetxattr(fd, 'user.x', '2');
      assert.equal(String(fgetxattr(fd, 'user.x')), '2');
      fremovexattr(fd, 'user.x');
      fails('ENODATA', () => fgetxattr(fd, 'user.x'));
    });
  }),
  anyone('a new file under an old name has no attributes', (dir) => {
    createFile(`${dir}/f`);
    setxattr(`${dir}/f`, 'user.x', '1');
    unlink(`${dir}/f`);
    createFile(`${dir}/f`);
    assert.deepEqual(listxattr(`${dir}/f`), []);
  }),
  anyone('rename carries attributes along', (dir) => {
    createFile(`${dir}/f`);
    setxattr(`${dir}/f`, 'user.x', '1');
    rename(`${dir}/f`, `${dir}/g`);
    assert.equal(String(getxattr(`${dir}/g`, 'user.x')), '1');
  }),
  anyone('O_PATH is not enough', (dir) => {
    createFile(`${dir}/f`);
    const fd = open(`${dir}/f`, O.PATH);
    fails('EBADF', () => fsetxattr(fd, 'user.x', 'x'));
    close(fd);
  }),
  root(
    'attributes of all namespaces last over a remount and through the forms of a file',
    async (dir, env) => {
      createFile(`${dir}/f`, 'x'.repeat(100_000));
      const names = ['security.x', 'trusted.x', 'user.x'];
      for (const name of names) setxattr(`${dir}/f`, name, Buffer.alloc(1000, name));
      await env.settle(`${dir}/f`);
      await env.remount();
      assert.deepEqual(
        listxattr(`${dir}/f`).filter((name) => names.includes(name)),
        names,
      );
      for (const name of names) {
        assert.deepEqual(getxattr(`${dir}/f`, name), Buffer.alloc(1000, name));
      }
    },
    { packed: true, remounts: true },
  ),
];

const namespaces: Case[] = [
  ...each(
    MAKERS.filter(({ type }) => type !== S.IFREG && type !== S.IFDIR && type !== S.IFLNK),
    ({ kind, make, needsRoot }) =>
      anyone(
        `user. is not for ${kind}`,
        (dir) => {
          make(`${dir}/x`);
          fails('EPERM', () => setxattr(`${dir}/x`, 'user.x', 'x'));
          fails('ENODATA', () => getxattr(`${dir}/x`, 'user.x'));
        },
        { needsRoot },
      ),
  ),
  anyone('user. is for directories', (dir) => {
    mkdir(`${dir}/d`);
    setxattr(`${dir}/d`, 'user.x', 'x');
    assert.equal(String(getxattr(`${dir}/d`, 'user.x')), 'x');
  }),
  root('symbolic links have trusted. and security., but not user.', (dir) => {
    createFile(`${dir}/f`);
    symlink('f', `${dir}/l`);
    fails('EPERM', () => lsetxattr(`${dir}/l`, 'user.x', 'x'));
    lsetxattr(`${dir}/l`, 'trusted.x', 'of the link');
    lsetxattr(`${dir}/l`, 'security.x', 'of the link');
    setxattr(`${dir}/l`, 'trusted.x', 'of the file');
    assert.equal(String(lgetxattr(`${dir}/l`, 'trusted.x')), 'of the link');
    assert.equal(String(getxattr(`${dir}/f`, 'trusted.x')), 'of the file');
    assert.deepEqual(llistxattr(`${dir}/l`), ['security.x', 'trusted.x']);
  }),
  root('trusted. is for root, and others do not see it', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    setxattr(`${dir}/f`, 'trusted.x', 'x');
    setxattr(`${dir}/f`, 'user.y', 'y');
    as(ALICE, () => {
      fails('EPERM', () => setxattr(`${dir}/f`, 'trusted.x', 'z'));
      fails('ENODATA', () => getxattr(`${dir}/f`, 'trusted.x'));
      fails('EPERM', () => removexattr(`${dir}/f`, 'trusted.x'));
      assert.deepEqual(listxattr(`${dir}/f`), ['user.y']);
    });
    assert.deepEqual(listxattr(`${dir}/f`), ['trusted.x', 'user.y']);
  }),
  root('security. is read by all and set by root', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    setxattr(`${dir}/f`, 'security.x', 'x');
    as(ALICE, () => {
      assert.equal(String(getxattr(`${dir}/f`, 'security.x')), 'x');
      fails('EPERM', () => setxattr(`${dir}/f`, 'security.x', 'z'));
      fails('EPERM', () => removexattr(`${dir}/f`, 'security.x'));
    });
  }),
  root('user. needs read and write permission', (dir) => {
    createFile(`${dir}/f`);
    setxattr(`${dir}/f`, 'user.x', 'x');
    chmod(`${dir}/f`, 0o604);
    as(ALICE, () => {
      assert.equal(String(getxattr(`${dir}/f`, 'user.x')), 'x');
      fails('EACCES', () => setxattr(`${dir}/f`, 'user.x', 'y'));
      fails('EACCES', () => removexattr(`${dir}/f`, 'user.x'));
    });
    chmod(`${dir}/f`, 0o602);
    as(ALICE, () => {
      setxattr(`${dir}/f`, 'user.x', 'y');
      fails('EACCES', () => getxattr(`${dir}/f`, 'user.x'));
      assert.deepEqual(listxattr(`${dir}/f`), ['user.x']);
    });
  }),
  root('user. of a sticky directory is for its owner', (dir) => {
    mkdir(`${dir}/d`);
    chmod(`${dir}/d`, 0o1777);
    as(ALICE, () => fails('EPERM', () => setxattr(`${dir}/d`, 'user.x', 'x')));
    chmod(`${dir}/d`, 0o777);
    as(ALICE, () => setxattr(`${dir}/d`, 'user.x', 'x'));
  }),
];

const CAPABILITY = 'security.capability';
/** Revision 2, CAP_NET_BIND_SERVICE permitted. */
const VALUE = u32(0x02000000, 1 << 10, 0, 0, 0);
const hasCapability = (path: string): boolean => listxattr(path).includes(CAPABILITY);

/** What takes a program's capabilities away, even from root. */
function takes(what: string, work: (path: string) => void): Case {
  return root(`${what} takes the capabilities of a program`, (dir) => {
    createFile(`${dir}/f`, 'program', 0o755);
    setxattr(`${dir}/f`, CAPABILITY, VALUE);
    assert.deepEqual(getxattr(`${dir}/f`, CAPABILITY), VALUE);
    work(`${dir}/f`);
    assert.equal(hasCapability(`${dir}/f`), false);
  });
}

function leaves(what: string, work: (path: string) => void): Case {
  return root(`${what} leaves the capabilities of a program`, (dir) => {
    createFile(`${dir}/f`, 'program', 0o755);
    setxattr(`${dir}/f`, CAPABILITY, VALUE);
    work(`${dir}/f`);
    assert.equal(hasCapability(`${dir}/f`), true);
  });
}

const capabilities: Case[] = [
  takes('a write', (path) => withOpen(path, O.WRONLY, (fd) => pwrite(fd, 'x', 0))),
  takes('truncate', (path) => truncate(path, 3)),
  takes('ftruncate', (path) => withOpen(path, O.RDWR, (fd) => ftruncate(fd, 100))),
  takes('open with O_TRUNC', (path) => withOpen(path, O.WRONLY | O.TRUNC, () => 0)),
  takes('chown', (path) => chown(path, ALICE.uid, -1)),
  leaves('chmod', (path) => chmod(path, 0o700)),
  leaves('rename', (path) => {
    rename(path, `${path}2`);
    rename(`${path}2`, path);
  }),
  leaves('open for writing', (path) => withOpen(path, O.RDWR, () => 0)),
  leaves('another attribute', (path) => setxattr(path, 'user.x', 'x')),
];

export const xattrs: Family = {
  name: 'xattrs',
  cases: [...basics, ...namespaces, ...capabilities],
};
