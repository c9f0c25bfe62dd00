/** POSIX ACLs: enforced, kept in step with the mode, inherited. */
import assert from 'node:assert/strict';
import {
  access,
  chmod,
  chown,
  lstat,
  modeOf,
  R_OK,
  W_OK,
  withUmask,
  X_OK,
} from './system/attributes.js';
import { u32 } from './system/calls.js';
import { ALICE, as, BOB, CAROL } from './system/credentials.js';
import { close, createFile, O, open, withOpen } from './system/files.js';
import { linkFd, mkdir, mkfifo, symlink } from './system/names.js';
import { getxattr, listxattr, lsetxattr, removexattr, setxattr } from './system/xattrs.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { later } from './kit.js';

const ACCESS = 'system.posix_acl_access';
const DEFAULT = 'system.posix_acl_default';

const TAGS = { u: [1, 2], g: [4, 8], m: [16, 16], o: [32, 32] } as const;
const NOBODY = 0xffffffff;

/** `u::6 u:21001:4 g::4 m::6 o::0`, permissions as a digit; in the order that the kernel wants. */
function acl(text: string): Buffer {
  const entries = text.split(' ').map((entry) => {
    const [kind, id, permissions] = entry.split(':');
    const tag = TAGS[kind as keyof typeof TAGS][id === '' ? 0 : 1];
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(tag, 0);
    bytes.writeUInt16LE(Number(permissions), 2);
    bytes.writeUInt32LE(id === '' ? NOBODY : Number(id), 4);
    return bytes;
  });
  return Buffer.concat([u32(2), ...entries]);
}

function textOf(value: Buffer): string {
  const entries: string[] = [];
  for (let at = 4; at < value.length; at += 8) {
    const tag = value.readUInt16LE(at);
    const kind = Object.entries(TAGS).find(([, tags]) => (tags as readonly number[]).includes(tag));
    const id = value.readUInt32LE(at + 4);
    entries.push(`${kind?.[0]}:${id === NOBODY ? '' : id}:${value.readUInt16LE(at + 2)}`);
  }
  return entries.join(' ');
}

const setAccess = (path: string, text: string): void => setxattr(path, ACCESS, acl(text));
const setDefault = (path: string, text: string): void => setxattr(path, DEFAULT, acl(text));
const accessOf = (path: string): string => textOf(getxattr(path, ACCESS));
const defaultOf = (path: string): string => textOf(getxattr(path, DEFAULT));
const hasNone = (path: string): void => fails('ENODATA', () => getxattr(path, ACCESS));

const A = ALICE.uid;
const B = BOB.gid;

const setting: Case[] = [
  anyone('an ACL is stored, given back, listed, and shows in the mode', (dir) => {
    createFile(`${dir}/f`);
    const text = `u::6 u:${A}:4 g::4 g:${B}:2 m::6 o::0`;
    setAccess(`${dir}/f`, text);
    assert.equal(accessOf(`${dir}/f`), text);
    assert.deepEqual(listxattr(`${dir}/f`), [ACCESS]);
    assert.equal(modeOf(`${dir}/f`), 0o660);
  }),
  anyone('an ACL that says no more than the mode becomes the mode', (dir) => {
    createFile(`${dir}/f`);
    setAccess(`${dir}/f`, 'u::7 g::5 o::1');
    assert.equal(modeOf(`${dir}/f`), 0o751);
    hasNone(`${dir}/f`);
    assert.deepEqual(listxattr(`${dir}/f`), []);
  }),
  anyone('setting an ACL moves ctime and leaves the sticky bit', (dir) => {
    mkdir(`${dir}/d`);
    chmod(`${dir}/d`, 0o1755);
    const { ctime, mtime } = lstat(`${dir}/d`);
    later();
    setAccess(`${dir}/d`, `u::7 u:${A}:7 g::5 m::7 o::5`);
    assert.ok(lstat(`${dir}/d`).ctime > ctime);
    assert.equal(lstat(`${dir}/d`).mtime, mtime);
    assert.equal(modeOf(`${dir}/d`), 0o1775);
  }),
  anyone('removing an ACL leaves the mode', (dir) => {
    createFile(`${dir}/f`);
    setAccess(`${dir}/f`, `u::6 u:${A}:6 g::4 m::6 o::4`);
    removexattr(`${dir}/f`, ACCESS);
    hasNone(`${dir}/f`);
    assert.equal(modeOf(`${dir}/f`), 0o664);
    removexattr(`${dir}/f`, ACCESS);
  }),
  ...each(
    [
      ['without the owner', 'g::4 o::4'],
      ['without others', 'u::6 g::4'],
      ['with a named user and no mask', `u::6 u:${A}:4 g::4 o::4`],
      ['with a permission that is none', 'u::9 g::4 o::4'],
      ['in the wrong order', 'u::6 o::4 g::4'],
    ] as const,
    ([what, text]) =>
      anyone(`an ACL ${what} is refused`, (dir) => {
        createFile(`${dir}/f`);
        fails('EINVAL', () => setAccess(`${dir}/f`, text));
        hasNone(`${dir}/f`);
      }),
  ),
  anyone('bytes that are no ACL are refused', (dir) => {
    createFile(`${dir}/f`);
    fails('EINVAL', () => setxattr(`${dir}/f`, ACCESS, Buffer.from('abc')));
    fails('EOPNOTSUPP', () => setxattr(`${dir}/f`, ACCESS, u32(1, 0)));
  }),
  anyone('a default ACL is for directories, symbolic links have none', (dir) => {
    createFile(`${dir}/f`);
    symlink('f', `${dir}/l`);
    fails('EACCES', () => setDefault(`${dir}/f`, 'u::6 g::4 o::4'));
    fails('EOPNOTSUPP', () => lsetxattr(`${dir}/l`, ACCESS, acl('u::6 g::4 o::4')));
  }),
  root('only the owner sets an ACL', (dir) => {
    createFile(`${dir}/f`);
    chmod(`${dir}/f`, 0o666);
    as(ALICE, () => {
      fails('EPERM', () => setAccess(`${dir}/f`, 'u::6 g::6 o::6'));
      fails('EPERM', () => removexattr(`${dir}/f`, ACCESS));
    });
  }),
  root('an ACL set by an owner outside of the group takes the set-group-id bit', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, BOB.gid);
    chmod(`${dir}/f`, 0o2755);
    as({ ...ALICE, groups: [BOB.gid] }, () => setAccess(`${dir}/f`, 'u::7 g::5 o::5'));
    assert.equal(modeOf(`${dir}/f`), 0o2755);
    as(ALICE, () => setAccess(`${dir}/f`, 'u::7 g::5 o::5'));
    assert.equal(modeOf(`${dir}/f`), 0o755);
  }),
  root(
    'both ACLs last over a remount, and so does what they forbid',
    async (dir, env) => {
      mkdir(`${dir}/d`);
      setAccess(`${dir}/d`, `u::7 u:${A}:0 g::5 m::7 o::5`);
      setDefault(`${dir}/d`, `u::7 u:${A}:7 g::5 m::7 o::0`);
      await env.remount();
      assert.equal(accessOf(`${dir}/d`), `u::7 u:${A}:0 g::5 m::7 o::5`);
      assert.equal(defaultOf(`${dir}/d`), `u::7 u:${A}:7 g::5 m::7 o::0`);
      as(ALICE, () => fails('EACCES', () => access(`${dir}/d`, X_OK)));
      createFile(`${dir}/d/f`);
      assert.equal(accessOf(`${dir}/d/f`), `u::6 u:${A}:7 g::5 m::4 o::0`);
    },
    { remounts: true },
  ),
];

const enforcing: Case[] = [
  root('a named user has its entry, up to the mask', (dir) => {
    createFile(`${dir}/f`, '', 0o600);
    setAccess(`${dir}/f`, `u::6 u:${A}:6 g::0 m::4 o::0`);
    as(ALICE, () => {
      access(`${dir}/f`, R_OK);
      fails('EACCES', () => access(`${dir}/f`, W_OK));
    });
    setAccess(`${dir}/f`, `u::6 u:${A}:6 g::0 m::6 o::0`);
    as(ALICE, () => withOpen(`${dir}/f`, O.RDWR, () => 0));
    as(BOB, () => fails('EACCES', () => open(`${dir}/f`, O.RDONLY)));
  }),
  root('a named user has no more than its entry, whatever others may', (dir) => {
    createFile(`${dir}/f`);
    setAccess(`${dir}/f`, `u::6 u:${A}:0 g::6 m::6 o::6`);
    as(ALICE, () => fails('EACCES', () => open(`${dir}/f`, O.RDONLY)));
    as(CAROL, () => withOpen(`${dir}/f`, O.RDWR, () => 0));
  }),
  root('a named group counts for members by any group, and one entry is enough', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, 0, CAROL.gid);
    setAccess(`${dir}/f`, `u::6 g::0 g:${B}:4 m::6 o::0`);
    as(BOB, () => access(`${dir}/f`, R_OK));
    as({ ...ALICE, groups: [BOB.gid, CAROL.gid] }, () => {
      access(`${dir}/f`, R_OK);
      fails('EACCES', () => access(`${dir}/f`, W_OK));
    });
    as(CAROL, () => fails('EACCES', () => access(`${dir}/f`, R_OK)));
    as(ALICE, () => fails('EACCES', () => access(`${dir}/f`, R_OK)));
  }),
  root("the owner has the owner's entry, the mask does not count", (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    setAccess(`${dir}/f`, `u::6 u:${BOB.uid}:6 g::6 m::0 o::0`);
    as(ALICE, () => withOpen(`${dir}/f`, O.RDWR, () => 0));
    as(BOB, () => fails('EACCES', () => access(`${dir}/f`, R_OK)));
  }),
  root('directories: search and change by ACL', (dir) => {
    mkdir(`${dir}/d`, 0o700);
    createFile(`${dir}/d/x`);
    as(ALICE, () => fails('EACCES', () => lstat(`${dir}/d/x`)));
    setAccess(`${dir}/d`, `u::7 u:${A}:1 g::0 m::7 o::0`);
    as(ALICE, () => {
      lstat(`${dir}/d/x`);
      fails('EACCES', () => createFile(`${dir}/d/new`));
    });
    setAccess(`${dir}/d`, `u::7 u:${A}:7 g::0 m::7 o::0`);
    as(ALICE, () => createFile(`${dir}/d/new`));
  }),
  root('what an ACL gave is gone when it is removed', (dir) => {
    createFile(`${dir}/f`, '', 0o600);
    setAccess(`${dir}/f`, `u::6 u:${A}:4 g::0 m::4 o::0`);
    as(ALICE, () => access(`${dir}/f`, R_OK));
    removexattr(`${dir}/f`, ACCESS);
    as(ALICE, () => fails('EACCES', () => access(`${dir}/f`, R_OK)));
  }),
];

const withMode: Case[] = [
  anyone("chmod changes the mask, not the group's entry", (dir) => {
    createFile(`${dir}/f`);
    setAccess(`${dir}/f`, `u::6 u:${A}:7 g::5 m::7 o::0`);
    chmod(`${dir}/f`, 0o641);
    assert.equal(accessOf(`${dir}/f`), `u::6 u:${A}:7 g::5 m::4 o::1`);
    assert.equal(modeOf(`${dir}/f`), 0o641);
  }),
  root('chmod takes from a named user at once', (dir) => {
    createFile(`${dir}/f`);
    setAccess(`${dir}/f`, `u::6 u:${A}:6 g::4 m::6 o::0`);
    as(ALICE, () => access(`${dir}/f`, W_OK));
    chmod(`${dir}/f`, 0o600);
    as(ALICE, () => fails('EACCES', () => access(`${dir}/f`, R_OK)));
  }),
];

const inheriting: Case[] = [
  anyone('a file under a default ACL gets it, cut by the mode it is made with; no umask', (dir) => {
    setDefault(dir, `u::7 u:${A}:7 g::5 m::7 o::1`);
    withUmask(0o077, () => createFile(`${dir}/f`, '', 0o666));
    assert.equal(accessOf(`${dir}/f`), `u::6 u:${A}:7 g::5 m::6 o::0`);
    assert.equal(modeOf(`${dir}/f`), 0o660);
    fails('ENODATA', () => getxattr(`${dir}/f`, DEFAULT));
  }),
  anyone('a directory under a default ACL gets both, and passes it on', (dir) => {
    const text = `u::7 u:${A}:5 g::5 m::5 o::0`;
    setDefault(dir, text);
    withUmask(0o077, () => mkdir(`${dir}/d`, 0o777));
    assert.equal(accessOf(`${dir}/d`), text);
    assert.equal(defaultOf(`${dir}/d`), text);
    assert.equal(modeOf(`${dir}/d`), 0o750);
    mkdir(`${dir}/d/e`, 0o700);
    assert.equal(accessOf(`${dir}/d/e`), `u::7 u:${A}:5 g::5 m::0 o::0`);
    assert.equal(defaultOf(`${dir}/d/e`), text);
  }),
  anyone('a default ACL of three entries is a mode for new files, and no umask', (dir) => {
    setDefault(dir, 'u::7 g::6 o::4');
    withUmask(0o077, () => createFile(`${dir}/f`, '', 0o666));
    assert.equal(modeOf(`${dir}/f`), 0o664);
    hasNone(`${dir}/f`);
    withUmask(0o077, () => mkdir(`${dir}/d`, 0o777));
    assert.equal(modeOf(`${dir}/d`), 0o764);
    assert.equal(defaultOf(`${dir}/d`), 'u::7 g::6 o::4');
  }),
  anyone('a fifo inherits as a file does, a symbolic link does not', (dir) => {
    setDefault(dir, `u::7 u:${A}:6 g::4 m::6 o::0`);
    withUmask(0o077, () => mkfifo(`${dir}/p`, 0o666));
    assert.equal(accessOf(`${dir}/p`), `u::6 u:${A}:6 g::4 m::6 o::0`);
    symlink('x', `${dir}/l`);
    assert.equal(modeOf(`${dir}/l`), 0o777);
  }),
  anyone('a file without a name inherits as well', (dir) => {
    setDefault(dir, `u::6 u:${A}:4 g::4 m::4 o::0`);
    const fd = withUmask(0o077, () => open(dir, O.TMPFILE | O.RDWR, 0o666));
    linkFd(fd, `${dir}/named`);
    close(fd);
    assert.equal(accessOf(`${dir}/named`), `u::6 u:${A}:4 g::4 m::4 o::0`);
  }),
  anyone('what is made before, or moved in, inherits nothing', (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/d/before`);
    setDefault(`${dir}/d`, `u::7 u:${A}:7 g::7 m::7 o::7`);
    hasNone(`${dir}/d/before`);
    assert.equal(modeOf(`${dir}/d`), 0o755);
    hasNone(`${dir}/d`);
  }),
  anyone('without its default ACL a directory follows the umask again', (dir) => {
    setDefault(dir, 'u::7 g::7 o::7');
    removexattr(dir, DEFAULT);
    withUmask(0o027, () => createFile(`${dir}/f`, '', 0o666));
    assert.equal(modeOf(`${dir}/f`), 0o640);
    fails('ENODATA', () => getxattr(dir, DEFAULT));
  }),
  root('what a file inherits is enforced', (dir) => {
    mkdir(`${dir}/d`);
    setDefault(`${dir}/d`, `u::6 u:${A}:4 g::0 m::4 o::0`);
    createFile(`${dir}/d/f`, 'x');
    as(ALICE, () => withOpen(`${dir}/d/f`, O.RDONLY, () => 0));
    as(BOB, () => fails('EACCES', () => open(`${dir}/d/f`, O.RDONLY)));
  }),
  root('set-group-id directory with a default ACL: group and bit are inherited too', (dir) => {
    chown(dir, 0, BOB.gid);
    chmod(dir, 0o2775);
    setDefault(dir, `u::7 u:${A}:7 g::5 m::7 o::5`);
    mkdir(`${dir}/d`, 0o777);
    assert.equal(modeOf(`${dir}/d`), 0o2775);
    assert.equal(lstat(`${dir}/d`).gid, BOB.gid);
  }),
];

export const acls: Family = {
  name: 'acl',
  cases: [...setting, ...enforcing, ...withMode, ...inheriting],
};
