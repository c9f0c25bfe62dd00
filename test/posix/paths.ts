/** What every operation on a path answers when the path is wrong, or the way there is barred. */
import {
  access,
  chmod,
  chown,
  lchown,
  lstat,
  R_OK,
  S,
  stat,
  utimens,
} from './system/attributes.js';
import { ALICE, as, BOB, type User } from './system/credentials.js';
import { createFile, O, truncate, withOpen } from './system/files.js';
import {
  bindSocket,
  link,
  mkdir,
  mkfifo,
  mknod,
  readlink,
  rename,
  rmdir,
  symlink,
  unlink,
} from './system/names.js';
import { getxattr, listxattr, removexattr, setxattr } from './system/xattrs.js';
import { close } from './system/files.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';

interface Operation {
  name: string;
  /** `spare` is the path of a file that exists. */
  run(path: string, spare: string): void;
  /** It makes the last name, or takes it away. */
  changesParent: boolean;
  makes: boolean;
  /** It does not follow a symbolic link at the end. */
  ofLink: boolean;
}

const op = (name: string, run: Operation['run'], traits: Partial<Operation> = {}): Operation => ({
  name,
  run,
  changesParent: false,
  makes: false,
  ofLink: false,
  ...traits,
});
const makes = { changesParent: true, makes: true, ofLink: true };
const removes = { changesParent: true, ofLink: true };

const OPERATIONS: readonly Operation[] = [
  op('open', (path) => withOpen(path, O.RDONLY, () => 0)),
  op('create', (path) => createFile(path), makes),
  op('mkdir', (path) => mkdir(path), makes),
  op('mkfifo', (path) => mkfifo(path), makes),
  op('mknod', (path) => mknod(path, S.IFREG | 0o644), makes),
  op('symlink', (path) => symlink('target', path), makes),
  op('link to', (path, spare) => link(spare, path), makes),
  op('link from', (path, spare) => link(path, `${spare}2`), { ofLink: true }),
  op('rename to', (path, spare) => rename(spare, path), makes),
  op('rename from', (path, spare) => rename(path, `${spare}2`), removes),
  op('unlink', (path) => unlink(path), removes),
  op('rmdir', (path) => rmdir(path), removes),
  op('stat', (path) => void stat(path)),
  op('lstat', (path) => void lstat(path), { ofLink: true }),
  op('readlink', (path) => void readlink(path), { ofLink: true }),
  op('access', (path) => access(path, R_OK)),
  op('chmod', (path) => chmod(path, 0o644)),
  op('chown', (path) => chown(path, -1, -1)),
  op('lchown', (path) => lchown(path, -1, -1), { ofLink: true }),
  op('truncate', (path) => truncate(path, 10)),
  op('utimensat', (path) => utimens(path, 'now', 'now')),
  op('setxattr', (path) => setxattr(path, 'user.x', 'x')),
  op('getxattr', (path) => void getxattr(path, 'user.x')),
  op('listxattr', (path) => void listxattr(path)),
  op('removexattr', (path) => removexattr(path, 'user.x')),
];

const makers = OPERATIONS.filter((one) => one.makes);
const others = OPERATIONS.filter((one) => !one.makes);
const followers = OPERATIONS.filter((one) => !one.ofLink);
const changers = OPERATIONS.filter((one) => one.changesParent);

const wrongPaths: Case[] = [
  ...each(OPERATIONS, ({ name, run }) =>
    anyone(`${name}: a directory on the way is missing`, (dir) => {
      createFile(`${dir}/spare`);
      fails('ENOENT', () => run(`${dir}/none/x`, `${dir}/spare`));
    }),
  ),
  ...each(others, ({ name, run }) =>
    anyone(`${name}: the name itself is missing`, (dir) => {
      createFile(`${dir}/spare`);
      fails('ENOENT', () => run(`${dir}/none`, `${dir}/spare`));
    }),
  ),
  ...each(OPERATIONS, ({ name, run }) =>
    anyone(`${name}: a file on the way is no directory`, (dir) => {
      createFile(`${dir}/spare`);
      createFile(`${dir}/file`);
      fails('ENOTDIR', () => run(`${dir}/file/x`, `${dir}/spare`));
    }),
  ),
  ...each(OPERATIONS, ({ name, run }) =>
    anyone(`${name}: a name of 256 bytes`, (dir) => {
      createFile(`${dir}/spare`);
      fails('ENAMETOOLONG', () => run(`${dir}/${'x'.repeat(256)}`, `${dir}/spare`));
      fails('ENAMETOOLONG', () => run(`${dir}/${'x'.repeat(256)}/y`, `${dir}/spare`));
      fails('ENAMETOOLONG', () => run(`${dir}/${'x'.repeat(1500)}`, `${dir}/spare`));
    }),
  ),
  ...each(OPERATIONS, ({ name, run }) =>
    anyone(`${name}: a path of 4096 bytes`, (dir) => {
      createFile(`${dir}/spare`);
      const path = `${dir}${'/.'.repeat(2048)}`;
      fails('ENAMETOOLONG', () => run(path.slice(0, 4096), `${dir}/spare`));
    }),
  ),
  ...each(OPERATIONS, ({ name, run }) =>
    anyone(`${name}: symbolic links in a circle on the way`, (dir) => {
      createFile(`${dir}/spare`);
      symlink('two', `${dir}/one`);
      symlink('one', `${dir}/two`);
      fails('ELOOP', () => run(`${dir}/one/x`, `${dir}/spare`));
    }),
  ),
  ...each(followers, ({ name, run }) =>
    anyone(`${name}: symbolic links in a circle at the end`, (dir) => {
      createFile(`${dir}/spare`);
      symlink('two', `${dir}/one`);
      symlink('one', `${dir}/two`);
      fails('ELOOP', () => run(`${dir}/one`, `${dir}/spare`));
    }),
  ),
  ...each(followers, ({ name, run }) =>
    anyone(`${name}: a symbolic link to nowhere at the end`, (dir) => {
      createFile(`${dir}/spare`);
      symlink('nowhere', `${dir}/one`);
      fails('ENOENT', () => run(`${dir}/one`, `${dir}/spare`));
    }),
  ),
  ...each(
    makers.filter(({ name }) => name !== 'rename to'),
    ({ name, run }) =>
      anyone(`${name}: the name is taken, by anything`, (dir) => {
        createFile(`${dir}/spare`);
        createFile(`${dir}/file`);
        mkdir(`${dir}/d`);
        mkfifo(`${dir}/fifo`);
        symlink('nowhere', `${dir}/link`);
        close(bindSocket(`${dir}/socket`));
        for (const taken of ['file', 'd', 'fifo', 'link', 'socket', '.']) {
          fails('EEXIST', () => run(`${dir}/${taken}`, `${dir}/spare`));
        }
      }),
  ),
];

/** A directory of ALICE's with a file in it; `spare` is where she may write. */
function guarded(dir: string, mode: number, owner: User = ALICE): void {
  mkdir(`${dir}/free`);
  chmod(`${dir}/free`, 0o777);
  createFile(`${dir}/free/spare`);
  chown(`${dir}/free/spare`, owner.uid, owner.gid);
  mkdir(`${dir}/d`);
  createFile(`${dir}/d/x`);
  chown(`${dir}/d/x`, owner.uid, owner.gid);
  chmod(`${dir}/d`, mode);
  chown(`${dir}/d`, ALICE.uid, ALICE.gid);
}

const barred: Case[] = [
  ...each(OPERATIONS, ({ name, run }) =>
    root(`${name}: a directory that may not be searched`, (dir) => {
      guarded(dir, 0o666);
      as(ALICE, () => fails('EACCES', () => run(`${dir}/d/x`, `${dir}/free/spare`)));
    }),
  ),
  ...each(makers, ({ name, run }) =>
    root(`${name}: a directory that may not be written to`, (dir) => {
      guarded(dir, 0o555);
      as(ALICE, () => fails('EACCES', () => run(`${dir}/d/new`, `${dir}/free/spare`)));
    }),
  ),
  ...each(
    changers.filter((one) => !one.makes && one.name !== 'rmdir'),
    ({ name, run }) =>
      root(`${name}: a directory that may not be written to`, (dir) => {
        guarded(dir, 0o555);
        as(ALICE, () => fails('EACCES', () => run(`${dir}/d/x`, `${dir}/free/spare`)));
      }),
  ),
  root('rmdir: a directory that may not be written to', (dir) => {
    guarded(dir, 0o755);
    mkdir(`${dir}/d/e`);
    chown(`${dir}/d/e`, ALICE.uid, ALICE.gid);
    chmod(`${dir}/d`, 0o555);
    as(ALICE, () => fails('EACCES', () => rmdir(`${dir}/d/e`)));
    chmod(`${dir}/d`, 0o755);
    as(ALICE, () => rmdir(`${dir}/d/e`));
  }),
];

/** What only the owner may do, whatever the mode. */
const OWNERS: readonly [string, (path: string) => void][] = [
  ['chmod', (path) => chmod(path, 0o777)],
  ['chown to the own group', (path) => chown(path, -1, BOB.gid)],
  ['chown to oneself', (path) => chown(path, BOB.uid, -1)],
  ['utimensat with times', (path) => utimens(path, 1n, 1n)],
  ['utimensat with now for one and omit for the other', (path) => utimens(path, 'now', 'omit')],
];

const notOwner: Case[] = OWNERS.map(([name, run]) =>
  root(`${name}: only the owner may`, (dir) => {
    createFile(`${dir}/x`);
    chown(`${dir}/x`, ALICE.uid, ALICE.gid);
    chmod(`${dir}/x`, 0o777);
    as(BOB, () => fails('EPERM', () => run(`${dir}/x`)));
  }),
);

/** All that changes something, for a filesystem that may not change. */
const CHANGES: readonly [string, (dir: string) => void][] = [
  ['create', (dir) => createFile(`${dir}/new`)],
  ['open for writing', (dir) => withOpen(`${dir}/file`, O.WRONLY, () => 0)],
  ['mkdir', (dir) => mkdir(`${dir}/new`)],
  ['rmdir', (dir) => rmdir(`${dir}/d`)],
  ['mkfifo', (dir) => mkfifo(`${dir}/new`)],
  ['symlink', (dir) => symlink('x', `${dir}/new`)],
  ['link', (dir) => link(`${dir}/file`, `${dir}/new`)],
  ['rename', (dir) => rename(`${dir}/file`, `${dir}/new`)],
  ['unlink', (dir) => unlink(`${dir}/file`)],
  ['chmod', (dir) => chmod(`${dir}/file`, 0o600)],
  ['chown', (dir) => chown(`${dir}/file`, 1, 1)],
  ['truncate', (dir) => truncate(`${dir}/file`, 0)],
  ['utimensat', (dir) => utimens(`${dir}/file`, 'now', 'now')],
  ['setxattr', (dir) => setxattr(`${dir}/file`, 'user.x', 'x')],
  ['removexattr', (dir) => removexattr(`${dir}/file`, 'user.there')],
  ['bind', (dir) => close(bindSocket(`${dir}/new`))],
];

const readOnly: Case[] = [
  root(
    'mounted ro: every change is refused with EROFS, everything can be read',
    async (dir, env) => {
      createFile(`${dir}/file`, 'kept');
      setxattr(`${dir}/file`, 'user.there', 'x');
      mkdir(`${dir}/d`);
      await env.remount(['ro']);
      try {
        for (const [, change] of CHANGES) fails('EROFS', () => change(dir));
        access(`${dir}/file`, R_OK);
        fails('EROFS', () => access(`${dir}/file`, 2));
        withOpen(`${dir}/file`, O.RDONLY, () => 0);
      } finally {
        await env.remount();
      }
    },
    { remounts: true },
  ),
];

export const paths: Family = {
  name: 'paths',
  cases: [...wrongPaths, ...barred, ...notOwner, ...readOnly],
};
