/** Access checks, chmod(2) and chown(2): who may do what. */
import assert from 'node:assert/strict';
import {
  access,
  chmod,
  chown,
  fchmod,
  fchown,
  lstat,
  modeOf,
  R_OK,
  S,
  utimens,
  W_OK,
  X_OK,
} from './system/attributes.js';
import { ALICE, as, BOB, CAROL, type User } from './system/credentials.js';
import { close, createFile, O, open, pread, pwrite, withOpen } from './system/files.js';
import { link, mkdir, mkfifo, unlink } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { later, MAKERS } from './kit.js';

/** The file belongs to ALICE and to BOB's group. */
const CLASSES: readonly { who: string; user: User; shift: number }[] = [
  { who: 'the owner', user: ALICE, shift: 6 },
  { who: 'a member by its group', user: BOB, shift: 3 },
  {
    who: 'a member by a supplementary group',
    user: { ...CAROL, groups: [5, BOB.gid, 7] },
    shift: 3,
  },
  { who: 'anybody else', user: CAROL, shift: 0 },
];

const check = (allowed: boolean, work: () => unknown): void => {
  if (allowed) work();
  else fails('EACCES', work);
};

const checks: Case[] = CLASSES.flatMap(({ who, user, shift }) => [
  root(`${who} may read, write, execute what the bits say, and no more`, (dir) => {
    createFile(`${dir}/f`, 'x');
    chown(`${dir}/f`, ALICE.uid, BOB.gid);
    for (let bits = 0; bits < 8; bits++) {
      // All others may what this class may not: the class alone counts.
      chmod(`${dir}/f`, (bits << shift) | (~(7 << shift) & 0o777 & ~(bits * 0o111)));
      as(user, () => {
        check((bits & 4) !== 0, () => withOpen(`${dir}/f`, O.RDONLY, () => 0));
        check((bits & 2) !== 0, () => withOpen(`${dir}/f`, O.WRONLY, () => 0));
        check((bits & 6) === 6, () => withOpen(`${dir}/f`, O.RDWR, () => 0));
        check((bits & 4) !== 0, () => access(`${dir}/f`, R_OK));
        check((bits & 2) !== 0, () => access(`${dir}/f`, W_OK));
        check((bits & 1) !== 0, () => access(`${dir}/f`, X_OK));
      });
    }
  }),
  root(`${who} may list, change, search a directory as the bits say`, (dir) => {
    mkdir(`${dir}/d`);
    createFile(`${dir}/d/x`, '', 0o644);
    chown(`${dir}/d`, ALICE.uid, BOB.gid);
    for (let bits = 0; bits < 8; bits++) {
      chmod(`${dir}/d`, (bits << shift) | (~(7 << shift) & 0o777 & ~(bits * 0o111)));
      as(user, () => {
        check((bits & 4) !== 0, () => withOpen(`${dir}/d`, O.RDONLY | O.DIRECTORY, () => 0));
        check((bits & 1) !== 0, () => lstat(`${dir}/d/x`));
        check((bits & 3) === 3, () => {
          createFile(`${dir}/d/new`);
          unlink(`${dir}/d/new`);
        });
      });
    }
  }),
]);

const privileged: Case[] = [
  root('root reads and writes whatever the bits say, and executes what anybody may', (dir) => {
    createFile(`${dir}/f`, '', 0o000);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    withOpen(`${dir}/f`, O.RDWR, () => 0);
    fails('EACCES', () => access(`${dir}/f`, X_OK));
    chmod(`${dir}/f`, 0o001);
    access(`${dir}/f`, X_OK);
    mkdir(`${dir}/d`, 0o000);
    access(`${dir}/d`, R_OK | W_OK | X_OK);
  }),
  root('O_PATH needs no permission on the file, O_NOATIME is for the owner', (dir) => {
    createFile(`${dir}/f`, '', 0o000);
    createFile(`${dir}/g`, '', 0o666);
    as(ALICE, () => {
      withOpen(`${dir}/f`, O.PATH, () => 0);
      fails('EPERM', () => open(`${dir}/g`, O.RDONLY | O.NOATIME));
    });
  }),
  root('a descriptor keeps what it may when the mode changes', (dir) => {
    createFile(`${dir}/f`, 'x');
    chmod(`${dir}/f`, 0o666);
    const fd = as(ALICE, () => open(`${dir}/f`, O.RDWR));
    chmod(`${dir}/f`, 0o000);
    as(ALICE, () => {
      assert.equal(String(pread(fd, 1, 0)), 'x');
      pwrite(fd, 'y', 0);
      fails('EACCES', () => open(`${dir}/f`, O.RDONLY));
    });
    close(fd);
  }),
];

const changingMode: Case[] = [
  ...each(
    MAKERS.filter(({ type }) => type !== S.IFLNK),
    ({ kind, make, needsRoot }) =>
      anyone(
        `chmod of ${kind}; ctime moves, mtime stays`,
        (dir) => {
          make(`${dir}/x`);
          const before = lstat(`${dir}/x`);
          later();
          for (const mode of [0o000, 0o111, 0o7777, 0o640]) {
            chmod(`${dir}/x`, mode);
            assert.equal(modeOf(`${dir}/x`), mode);
          }
          assert.ok(lstat(`${dir}/x`).ctime > before.ctime);
          assert.equal(lstat(`${dir}/x`).mtime, before.mtime);
        },
        { needsRoot },
      ),
  ),
  anyone('fchmod of an open file, also of one without a name', (dir) => {
    createFile(`${dir}/f`);
    withOpen(`${dir}/f`, O.RDONLY, (fd) => {
      fchmod(fd, 0o751);
      assert.equal(modeOf(`${dir}/f`), 0o751);
      unlink(`${dir}/f`);
      fchmod(fd, 0o700);
    });
  }),
  anyone('chmod shows by all hard links', (dir) => {
    createFile(`${dir}/a`);
    link(`${dir}/a`, `${dir}/b`);
    chmod(`${dir}/a`, 0o604);
    assert.equal(modeOf(`${dir}/b`), 0o604);
  }),
  root('an owner outside of the group can not set the set-group-id bit', (dir) => {
    createFile(`${dir}/f`);
    mkdir(`${dir}/d`);
    for (const name of ['f', 'd']) chown(`${dir}/${name}`, ALICE.uid, BOB.gid);
    as(ALICE, () => {
      for (const name of ['f', 'd']) chmod(`${dir}/${name}`, 0o2755);
    });
    for (const name of ['f', 'd']) assert.equal(modeOf(`${dir}/${name}`), 0o755);
    as({ ...ALICE, groups: [BOB.gid] }, () => {
      for (const name of ['f', 'd']) chmod(`${dir}/${name}`, 0o2755);
    });
    for (const name of ['f', 'd']) assert.equal(modeOf(`${dir}/${name}`), 0o2755);
  }),
  root('the sticky bit of a file is for anybody who owns it', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    as(ALICE, () => chmod(`${dir}/f`, 0o1644));
    assert.equal(modeOf(`${dir}/f`), 0o1644);
  }),
];

const SET_ID: readonly { kind: string; from: number; to: number }[] = [
  { kind: 'set-user-id', from: 0o4755, to: 0o755 },
  { kind: 'set-group-id', from: 0o2755, to: 0o755 },
  { kind: 'both, for the group', from: 0o6771, to: 0o771 },
];

const changingOwner: Case[] = [
  ...each(
    MAKERS.filter(({ type }) => type !== S.IFLNK),
    ({ kind, make }) =>
      root(`chown of ${kind}; ctime moves, mtime stays`, (dir) => {
        make(`${dir}/x`);
        const before = lstat(`${dir}/x`);
        later();
        chown(`${dir}/x`, ALICE.uid, -1);
        assert.deepEqual([lstat(`${dir}/x`).uid, lstat(`${dir}/x`).gid], [ALICE.uid, 0]);
        chown(`${dir}/x`, -1, BOB.gid);
        assert.deepEqual([lstat(`${dir}/x`).uid, lstat(`${dir}/x`).gid], [ALICE.uid, BOB.gid]);
        assert.ok(lstat(`${dir}/x`).ctime > before.ctime);
        assert.equal(lstat(`${dir}/x`).mtime, before.mtime);
      }),
  ),
  root('ids up to 2^32 - 2', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, 0xfffffffe, 0x80000000);
    assert.deepEqual([lstat(`${dir}/f`).uid, lstat(`${dir}/f`).gid], [0xfffffffe, 0x80000000]);
  }),
  root('fchown of an open file', (dir) => {
    createFile(`${dir}/f`);
    withOpen(`${dir}/f`, O.RDONLY, (fd) => fchown(fd, ALICE.uid, BOB.gid));
    assert.equal(lstat(`${dir}/f`).uid, ALICE.uid);
  }),
  root('an owner may give the file to a group of its own, and to no other', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, CAROL.gid);
    as({ ...ALICE, groups: [BOB.gid] }, () => {
      chown(`${dir}/f`, -1, BOB.gid);
      chown(`${dir}/f`, ALICE.uid, ALICE.gid);
      fails('EPERM', () => chown(`${dir}/f`, -1, CAROL.gid));
      fails('EPERM', () => chown(`${dir}/f`, BOB.uid, -1));
    });
    assert.deepEqual([lstat(`${dir}/f`).uid, lstat(`${dir}/f`).gid], [ALICE.uid, ALICE.gid]);
  }),
  ...SET_ID.flatMap(({ kind, from, to }) => [
    root(`chown by root takes ${kind} from a file`, (dir) => {
      createFile(`${dir}/f`);
      chmod(`${dir}/f`, from);
      chown(`${dir}/f`, ALICE.uid, BOB.gid);
      assert.equal(modeOf(`${dir}/f`), to);
    }),
    root(`chown by the owner takes ${kind} from a file`, (dir) => {
      createFile(`${dir}/f`);
      chown(`${dir}/f`, ALICE.uid, ALICE.gid);
      chmod(`${dir}/f`, from);
      as({ ...ALICE, groups: [BOB.gid] }, () => chown(`${dir}/f`, ALICE.uid, BOB.gid));
      assert.equal(modeOf(`${dir}/f`), to);
    }),
    root(`chown leaves ${kind} to a directory`, (dir) => {
      mkdir(`${dir}/d`);
      chmod(`${dir}/d`, from);
      chown(`${dir}/d`, ALICE.uid, BOB.gid);
      assert.equal(modeOf(`${dir}/d`), from);
    }),
  ]),
  root('chown that changes nothing takes set-id bits all the same, and from a fifo too', (dir) => {
    createFile(`${dir}/f`);
    mkfifo(`${dir}/p`);
    for (const name of ['f', 'p']) {
      chmod(`${dir}/${name}`, 0o6755);
      chown(`${dir}/${name}`, -1, -1);
    }
    assert.deepEqual([modeOf(`${dir}/f`), modeOf(`${dir}/p`)], [0o755, 0o755]);
  }),
  root('chown that changes nothing is for anybody, where no set-id bit would go', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, CAROL.gid);
    as(BOB, () => chown(`${dir}/f`, -1, -1));
    for (const mode of [0o6755, 0o4711]) {
      chmod(`${dir}/f`, mode);
      as(BOB, () => fails('EPERM', () => chown(`${dir}/f`, -1, -1)));
      assert.equal(modeOf(`${dir}/f`), mode);
    }
  }),
  root(
    'chown that changes nothing: a set-gid bit without group execution is for members',
    (dir) => {
      createFile(`${dir}/f`);
      chown(`${dir}/f`, ALICE.uid, CAROL.gid);
      chmod(`${dir}/f`, 0o2644);
      as({ ...BOB, groups: [CAROL.gid] }, () => chown(`${dir}/f`, -1, -1));
      as(BOB, () => fails('EPERM', () => chown(`${dir}/f`, -1, -1)));
      assert.equal(modeOf(`${dir}/f`), 0o2644);
    },
  ),
  root('chown that is refused changes no time and no bit', (dir) => {
    createFile(`${dir}/f`);
    chmod(`${dir}/f`, 0o6755);
    const { ctime } = lstat(`${dir}/f`);
    later();
    as(BOB, () => fails('EPERM', () => chown(`${dir}/f`, BOB.uid, BOB.gid)));
    assert.equal(lstat(`${dir}/f`).ctime, ctime);
    assert.equal(modeOf(`${dir}/f`), 0o6755);
  }),
  root('a set-group-id bit without group execution stays with root and with members', (dir) => {
    createFile(`${dir}/f`);
    chmod(`${dir}/f`, 0o2644);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    assert.equal(modeOf(`${dir}/f`), 0o2644);
    as({ ...ALICE, groups: [BOB.gid] }, () => chown(`${dir}/f`, -1, BOB.gid));
    assert.equal(modeOf(`${dir}/f`), 0o2644);
    chown(`${dir}/f`, ALICE.uid, CAROL.gid);
    as({ ...ALICE, groups: [BOB.gid] }, () => chown(`${dir}/f`, -1, BOB.gid));
    assert.equal(modeOf(`${dir}/f`), 0o644);
  }),
];

const timesOf: Case[] = [
  root('who may write may set both times to now, and no other', (dir) => {
    createFile(`${dir}/f`);
    chown(`${dir}/f`, ALICE.uid, ALICE.gid);
    chmod(`${dir}/f`, 0o646);
    as(BOB, () => {
      utimens(`${dir}/f`, 'now', 'now');
      fails('EPERM', () => utimens(`${dir}/f`, 1n, 'now'));
      fails('EPERM', () => utimens(`${dir}/f`, 'omit', 'now'));
      utimens(`${dir}/f`, 'omit', 'omit');
    });
    chmod(`${dir}/f`, 0o644);
    as(BOB, () => fails('EACCES', () => utimens(`${dir}/f`, 'now', 'now')));
    chmod(`${dir}/f`, 0o000);
    as(ALICE, () => {
      utimens(`${dir}/f`, 'now', 'now');
      utimens(`${dir}/f`, 5n, 6n);
    });
  }),
];

export const permissions: Family = {
  name: 'permissions',
  cases: [...checks, ...privileged, ...changingMode, ...changingOwner, ...timesOf],
};
