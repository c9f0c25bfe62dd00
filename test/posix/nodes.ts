/** Fifos, sockets and devices. */
import assert from 'node:assert/strict';
import { chmod, lstat, modeOf, S, stat, withUmask } from './system/attributes.js';
import { call } from './system/calls.js';
import { ALICE, as } from './system/credentials.js';
import { close, createFile, O, open, read, withOpen, write } from './system/files.js';
import { bindSocket, link, mkfifo, mknod, rename, unlink } from './system/names.js';
import { anyone, each, fails, root, type Case, type Family } from './cases.js';
import { later } from './kit.js';

const KINDS = [
  { kind: 'a fifo', type: S.IFIFO, major: 0, minor: 0 },
  { kind: 'a character device', type: S.IFCHR, major: 1, minor: 3 },
  { kind: 'a block device', type: S.IFBLK, major: 259, minor: 70_000 },
  { kind: 'a socket node', type: S.IFSOCK, major: 0, minor: 0 },
  { kind: 'a file', type: S.IFREG, major: 0, minor: 0 },
];

const made: Case[] = [
  root(
    'mknod of every kind: type, mode, device number, and over a remount',
    async (dir, env) => {
      for (const { kind, type, major, minor } of KINDS) {
        mknod(`${dir}/${kind}`, type | 0o644, major, minor);
      }
      const check = ({ kind, type, major, minor }: (typeof KINDS)[number]): void => {
        const { mode, rdevMajor, rdevMinor, nlink, size } = lstat(`${dir}/${kind}`);
        assert.equal(mode, type | 0o644);
        assert.deepEqual([rdevMajor, rdevMinor, nlink, size], [major, minor, 1, 0]);
      };
      KINDS.forEach(check);
      await env.remount();
      KINDS.forEach(check);
    },
    { remounts: true },
  ),
  ...each([0o755, 0o000, 0o4711, 0o1777], (mode) =>
    anyone(`mkfifo with mode ${mode.toString(8)}`, (dir) => {
      withUmask(0, () => mkfifo(`${dir}/p`, mode));
      assert.equal(modeOf(`${dir}/p`), mode);
    }),
  ),
  root('devices need a capability, fifos and sockets do not', (dir) => {
    chmod(dir, 0o777);
    as(ALICE, () => {
      fails('EPERM', () => mknod(`${dir}/c`, S.IFCHR | 0o644, 1, 3));
      fails('EPERM', () => mknod(`${dir}/b`, S.IFBLK | 0o644, 1, 3));
      mkfifo(`${dir}/p`);
      close(bindSocket(`${dir}/s`));
      mknod(`${dir}/f`, S.IFREG | 0o644);
    });
    assert.deepEqual([lstat(`${dir}/p`).uid, lstat(`${dir}/p`).gid], [ALICE.uid, ALICE.gid]);
  }),
  anyone('mknod makes no directory and no symbolic link', (dir) => {
    fails('EPERM', () => mknod(`${dir}/d`, S.IFDIR | 0o755));
    fails('EINVAL', () => mknod(`${dir}/l`, S.IFLNK | 0o777));
  }),
  anyone('a new node moves the times of its directory, and its own are the same', (dir) => {
    const before = lstat(dir);
    later();
    mkfifo(`${dir}/p`);
    assert.ok(lstat(dir).mtime > before.mtime);
    const { atime, mtime, ctime } = lstat(`${dir}/p`);
    assert.ok(atime === mtime && mtime === ctime);
  }),
];

const used: Case[] = [
  anyone('a fifo carries data, also under another name', (dir) => {
    mkfifo(`${dir}/p`);
    link(`${dir}/p`, `${dir}/q`);
    rename(`${dir}/p`, `${dir}/r`);
    const reader = open(`${dir}/q`, O.RDONLY | O.NONBLOCK);
    const writer = open(`${dir}/r`, O.WRONLY | O.NONBLOCK);
    write(writer, 'through');
    assert.equal(String(read(reader, 20)), 'through');
    unlink(`${dir}/q`);
    write(writer, 'more');
    assert.equal(String(read(reader, 20)), 'more');
    close(reader);
    close(writer);
  }),
  anyone('a fifo without a reader is not opened for writing', (dir) => {
    mkfifo(`${dir}/p`);
    fails('ENXIO', () => open(`${dir}/p`, O.WRONLY | O.NONBLOCK));
  }),
  anyone('a socket takes connections, and its name can be taken only once', (dir) => {
    const server = bindSocket(`${dir}/s`);
    call('listen', server, 1);
    fails('EADDRINUSE', () => bindSocket(`${dir}/s`));
    fails('ENXIO', () => open(`${dir}/s`, O.RDWR));
    const client = call('socket', 1, 1, 0);
    const folder = open(dir, O.PATH);
    const address = Buffer.concat([
      Buffer.from([1, 0]),
      Buffer.from(`/proc/self/fd/${folder}/s\0`),
    ]);
    call('connect', client, address, address.length);
    write(client, 'hello');
    const accepted = call('accept4', server, null, null, 0);
    assert.equal(String(read(accepted, 10)), 'hello');
    for (const fd of [client, accepted, server, folder]) close(fd);
    assert.equal(stat(`${dir}/s`).mode & S.IFMT, S.IFSOCK);
  }),
  anyone('a socket that nobody listens to refuses', (dir) => {
    close(bindSocket(`${dir}/s`));
    const client = call('socket', 1, 1, 0);
    const folder = open(dir, O.PATH);
    const address = Buffer.concat([
      Buffer.from([1, 0]),
      Buffer.from(`/proc/self/fd/${folder}/s\0`),
    ]);
    fails('ECONNREFUSED', () => call('connect', client, address, address.length));
    close(client);
    close(folder);
  }),
  root('a device works', (dir) => {
    mknod(`${dir}/null`, S.IFCHR | 0o666, 1, 3);
    mknod(`${dir}/zero`, S.IFCHR | 0o666, 1, 5);
    withOpen(`${dir}/null`, O.RDWR, (fd) => {
      assert.equal(write(fd, 'gone'), 4);
      assert.equal(read(fd, 4).length, 0);
    });
    withOpen(`${dir}/zero`, O.RDONLY, (fd) => assert.deepEqual(read(fd, 4), Buffer.alloc(4)));
    assert.equal(lstat(`${dir}/null`).size, 0);
  }),
  root('a device that is open works on after unlink', (dir) => {
    mknod(`${dir}/zero`, S.IFCHR | 0o666, 1, 5);
    const fd = open(`${dir}/zero`, O.RDONLY);
    unlink(`${dir}/zero`);
    assert.equal(read(fd, 8).length, 8);
    close(fd);
  }),
  anyone('a file made by mknod takes data', (dir) => {
    mknod(`${dir}/f`, S.IFREG | 0o644);
    withOpen(`${dir}/f`, O.RDWR, (fd) => write(fd, 'data'));
    assert.equal(lstat(`${dir}/f`).size, 4);
    fails('EEXIST', () => createFile(`${dir}/f`));
  }),
];

export const nodes: Family = { name: 'nodes', cases: [...made, ...used] };
