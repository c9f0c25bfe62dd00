/** Set-id bits and file capabilities, which a program must not keep when another changes it. */
import assert from 'node:assert/strict';
import { chmod, fstat, modeOf } from './system/attributes.js';
import { ALICE, as } from './system/credentials.js';
import * as files from './system/files.js';
import { createFile, O, pwrite, withOpen } from './system/files.js';
import { map } from './system/memory.js';
import { getxattr, setxattr } from './system/xattrs.js';
import { each, fails, root, type Case, type Family } from './cases.js';

const PACKED = { packed: true };
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const SIZE = 8192;

const writing = (path: string, work: (fd: number) => unknown): unknown =>
  withOpen(path, O.RDWR, work);

const CHANGES: readonly { name: string; act(path: string): unknown }[] = [
  { name: 'write', act: (path) => writing(path, (fd) => pwrite(fd, 'x', 0)) },
  { name: 'truncate', act: (path) => files.truncate(path, 10) },
  { name: 'O_TRUNC', act: (path) => withOpen(path, O.WRONLY | O.TRUNC, () => 0) },
  { name: 'fallocate', act: (path) => writing(path, (fd) => files.fallocate(fd, 0, 0, 20_000)) },
  {
    name: 'punching a hole',
    act: (path) => writing(path, (fd) => files.fallocate(fd, 3, 0, 4096)),
  },
  {
    name: 'copy_file_range',
    act: (path) => writing(path, (fd) => files.copyFileRange(fd, 0, fd, 4096, 100)),
  },
];

async function program(dir: string, mode: number, settle: (path: string) => Promise<void>) {
  const path = `${dir}/program`;
  chmod(dir, 0o777);
  createFile(path, 'A'.repeat(SIZE));
  await settle(path);
  chmod(path, mode);
  setxattr(path, 'security.capability', CAPABILITY);
  return path;
}

const taken: Case[] = each(CHANGES, ({ name, act }) =>
  root(
    `${name} by another takes set-id bits and capabilities away`,
    async (dir, env) => {
      const path = await program(dir, 0o6777, env.settle);
      as(ALICE, () => act(path));
      assert.equal(modeOf(path), 0o777);
      fails('ENODATA', () => getxattr(path, 'security.capability'));
    },
    PACKED,
  ),
);

const marks: Case[] = each([ALICE, { ...ALICE, groups: [0] }], (user) =>
  root(
    `a set-gid bit without group execution ${user.groups === undefined ? 'goes' : 'stays where one of the group writes'}`,
    async (dir, env) => {
      const path = await program(dir, 0o2766, env.settle);
      as(user, () => writing(path, (fd) => pwrite(fd, 'x', 0)));
      assert.equal(modeOf(path), user.groups === undefined ? 0o766 : 0o2766);
    },
    PACKED,
  ),
);

const kept: Case[] = [
  root('the writer itself sees the new mode at once', async (dir, env) => {
    const path = await program(dir, 0o6777, env.settle);
    as(ALICE, () =>
      writing(path, (fd) => {
        pwrite(fd, 'x', 0);
        assert.equal(fstat(fd).mode & 0o7777, 0o777);
      }),
    );
  }),
  root(
    'root keeps set-id bits when it writes or cuts',
    async (dir, env) => {
      const path = await program(dir, 0o6755, env.settle);
      writing(path, (fd) => pwrite(fd, 'x', 0));
      files.truncate(path, 5);
      assert.equal(modeOf(path), 0o6755);
      fails('ENODATA', () => getxattr(path, 'security.capability'));
    },
    PACKED,
  ),
  root('opening and writing nothing keep them', async (dir, env) => {
    const path = await program(dir, 0o6777, env.settle);
    as(ALICE, () => writing(path, (fd) => pwrite(fd, '', 0)));
    assert.equal(modeOf(path), 0o6777);
    assert.deepEqual(getxattr(path, 'security.capability'), CAPABILITY);
  }),
  root('writing through a mapping keeps them', async (dir, env) => {
    const path = await program(dir, 0o6777, env.settle);
    as(ALICE, () =>
      writing(path, (fd) => {
        const view = map(fd, SIZE);
        view.write(0, 'x');
        view.sync();
        view.unmap();
      }),
    );
    assert.equal(modeOf(path), 0o6777);
  }),
];

export const setIdWrites: Family = { name: 'set-id writes', cases: [...taken, ...marks, ...kept] };
