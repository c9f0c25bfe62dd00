/** Who may rename what: permissions of directories, the sticky bit. */
import assert from 'node:assert/strict';
import { chmod, chown, lstat, S } from './system/attributes.js';
import { ALICE, as, BOB, type User } from './system/credentials.js';
import { createFile } from './system/files.js';
import { mkdir, mknod, rename, unlink } from './system/names.js';
import { each, fails, root, type Case, type Family } from './cases.js';
import { MAKERS } from './kit.js';

/** Who may move a file out of, or over one in, a directory with the sticky bit. */
interface Sticky {
  directoryOwner: User;
  fileOwner: User;
  allowed: boolean;
}

const STICKY: Sticky[] = [
  { directoryOwner: ALICE, fileOwner: ALICE, allowed: true },
  { directoryOwner: ALICE, fileOwner: BOB, allowed: true },
  { directoryOwner: BOB, fileOwner: ALICE, allowed: true },
  { directoryOwner: BOB, fileOwner: BOB, allowed: false },
];
const label = (user: User): string => (user === ALICE ? 'the caller' : 'another');

function makeOwned(kind: (path: string) => void, path: string, { uid, gid }: User): void {
  kind(path);
  if ((lstat(path).mode & S.IFMT) !== S.IFLNK) chown(path, uid, gid);
}

const stickyKinds = MAKERS.filter(({ kind }) => !kind.includes('link') && !kind.includes('device'));

const sticky: Case[] = STICKY.flatMap(({ directoryOwner, fileOwner, allowed }) =>
  stickyKinds.flatMap(({ kind, make }) => {
    const owners = `directory of ${label(directoryOwner)}, ${kind} of ${label(fileOwner)}`;
    const attempt = (work: () => void): void =>
      as(ALICE, () => (allowed ? work() : fails('EPERM', work)));
    const setUp = (dir: string): void => {
      mkdir(`${dir}/s`);
      chmod(`${dir}/s`, 0o1777);
      chown(`${dir}/s`, directoryOwner.uid, directoryOwner.gid);
      makeOwned(make, `${dir}/s/x`, fileOwner);
      mkdir(`${dir}/open`);
      chmod(`${dir}/open`, 0o777);
    };
    return [
      root(`sticky ${owners}: moved away ${allowed ? 'yes' : 'no'}`, (dir) => {
        setUp(dir);
        // A directory that changes its parent must be writable, for its `..` changes.
        if (kind === 'a directory') chmod(`${dir}/s/x`, 0o777);
        attempt(() => rename(`${dir}/s/x`, `${dir}/open/y`));
      }),
      root(`sticky ${owners}: replaced ${allowed ? 'yes' : 'no'}`, (dir) => {
        setUp(dir);
        makeOwned(make, `${dir}/open/y`, ALICE);
        attempt(() => rename(`${dir}/open/y`, `${dir}/s/x`));
      }),
    ];
  }),
);

const permissions: Case[] = [
  ...each(['from', 'to'], (which) =>
    root(`needs write permission on the ${which} directory`, (dir) => {
      for (const name of ['from', 'to']) {
        mkdir(`${dir}/${name}`);
        chown(`${dir}/${name}`, ALICE.uid, ALICE.gid);
      }
      createFile(`${dir}/from/a`);
      chown(`${dir}/from/a`, ALICE.uid, ALICE.gid);
      chmod(`${dir}/${which}`, 0o555);
      as(ALICE, () => fails('EACCES', () => rename(`${dir}/from/a`, `${dir}/to/a`)));
      chmod(`${dir}/${which}`, 0o755);
      as(ALICE, () => rename(`${dir}/from/a`, `${dir}/to/a`));
    }),
  ),
  ...each(['from', 'to'], (which) =>
    root(`needs search permission on the ${which} directory`, (dir) => {
      for (const name of ['from', 'to']) {
        mkdir(`${dir}/${name}`);
        chown(`${dir}/${name}`, ALICE.uid, ALICE.gid);
      }
      createFile(`${dir}/from/a`);
      chmod(`${dir}/${which}`, 0o644);
      as(ALICE, () => fails('EACCES', () => rename(`${dir}/from/a`, `${dir}/to/a`)));
    }),
  ),
  root('a directory of another may change its name but not its parent', (dir) => {
    mkdir(`${dir}/p`);
    mkdir(`${dir}/q`);
    for (const name of ['p', 'q']) chmod(`${dir}/${name}`, 0o777);
    mkdir(`${dir}/p/d`);
    as(ALICE, () => {
      rename(`${dir}/p/d`, `${dir}/p/e`);
      fails('EACCES', () => rename(`${dir}/p/e`, `${dir}/q/e`));
    });
  }),
  root('the file itself needs no permission', (dir) => {
    mkdir(`${dir}/p`);
    chown(`${dir}/p`, ALICE.uid, ALICE.gid);
    createFile(`${dir}/p/a`, '', 0o000);
    as(ALICE, () => rename(`${dir}/p/a`, `${dir}/p/b`));
    assert.equal(lstat(`${dir}/p/b`).uid, 0);
  }),
  root('devices can be moved and replaced', (dir) => {
    mknod(`${dir}/null`, S.IFCHR | 0o666, 1, 3);
    rename(`${dir}/null`, `${dir}/n`);
    createFile(`${dir}/file`);
    rename(`${dir}/file`, `${dir}/n`);
    assert.equal(lstat(`${dir}/n`).mode & S.IFMT, S.IFREG);
    unlink(`${dir}/n`);
  }),
];

export const renamePermissions: Family = {
  name: 'rename permissions',
  cases: [...sticky, ...permissions],
};
