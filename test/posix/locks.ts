/** flock and record locks. */
import assert from 'node:assert/strict';
import { close, createFile, O, open, withOpen } from './system/files.js';
import { flock, getLock, getOpenFileLock, LOCK, setLock, setOpenFileLock } from './system/locks.js';
import { anyone, fails, type Case, type Family } from './cases.js';

const PACKED = { packed: true };

const cases: Case[] = [
  anyone(
    'flock keeps others out until it ends or its descriptor closes',
    async (dir, env) => {
      createFile(`${dir}/a`, 'x');
      await env.settle(`${dir}/a`);
      const [one, two] = [open(`${dir}/a`, O.RDONLY), open(`${dir}/a`, O.RDWR)];
      flock(one, LOCK.EX);
      fails('EAGAIN', () => flock(two, LOCK.SH | LOCK.NB));
      flock(one, LOCK.SH);
      flock(two, LOCK.SH | LOCK.NB);
      fails('EAGAIN', () => flock(two, LOCK.EX | LOCK.NB));
      close(one);
      flock(two, LOCK.EX | LOCK.NB);
      close(two);
    },
    PACKED,
  ),
  anyone('locks of open files conflict where they overlap, and can be asked for', (dir) => {
    createFile(`${dir}/a`, 'x'.repeat(100));
    const [one, two] = [open(`${dir}/a`, O.RDWR), open(`${dir}/a`, O.RDWR)];
    setOpenFileLock(one, 'write', 10, 10);
    setOpenFileLock(two, 'write', 20, 10);
    fails('EAGAIN', () => setOpenFileLock(two, 'read', 15, 1));
    const inTheWay = getOpenFileLock(two, 'write', 0, 0);
    assert.deepEqual([inTheWay?.start, inTheWay?.length], [10, 10]);
    setOpenFileLock(one, 'unlock', 12, 2);
    setOpenFileLock(two, 'read', 12, 2);
    close(one);
    setOpenFileLock(two, 'write', 0, 20);
    close(two);
  }),
  anyone('locks of a process do not stop itself, and end with any of its descriptors', (dir) => {
    createFile(`${dir}/a`, 'x'.repeat(100));
    const [one, two] = [open(`${dir}/a`, O.RDWR), open(`${dir}/a`, O.RDWR)];
    setLock(one, 'write', 0, 50);
    setLock(two, 'write', 0, 50);
    assert.equal(getLock(two, 'write', 0, 0), null);
    fails('EAGAIN', () => setOpenFileLock(two, 'write', 0, 10));
    close(open(`${dir}/a`, O.RDONLY));
    setOpenFileLock(two, 'write', 0, 10);
    [one, two].forEach(close);
  }),
  anyone('a descriptor must be open for what it locks', (dir) => {
    createFile(`${dir}/a`, 'x');
    withOpen(`${dir}/a`, O.RDONLY, (fd) => fails('EBADF', () => setLock(fd, 'write')));
    withOpen(`${dir}/a`, O.WRONLY, (fd) => fails('EBADF', () => setLock(fd, 'read')));
  }),
];

export const locks: Family = { name: 'locks', cases };
