/** The io section of the addon: what each call does to a real file, and how it fails. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { native, Stat } from '../../src/native.js';

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = constants;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

describe('io', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'coral-reef-io-'));
  });
  after(() => rmSync(root, { recursive: true }));

  const at = (name: string): string => join(root, name);

  /** Runs `use` on a descriptor of a file with `data`, closed afterwards. */
  async function withFile(
    name: string,
    data: Buffer,
    use: (fd: number, path: string) => Promise<void> | void,
  ): Promise<void> {
    writeFileSync(at(name), data);
    const fd = native.openSync(at(name), O_RDWR, 0);
    try {
      await use(fd, at(name));
    } finally {
      native.close(fd);
    }
  }

  test('the current time is that of files: none written before has a later one, none after an earlier', async () => {
    const stat = new Float64Array(Stat.length);
    const time = new Float64Array(2);
    const written = (fd: number): number[] => {
      native.setTimes(fd, 0, UTIME_NOW, 0, UTIME_NOW);
      native.statFd(fd, stat);
      return [stat[Stat.mtimeSec], stat[Stat.mtimeNsec]];
    };
    await withFile('clock', Buffer.alloc(1), (fd) => {
      const times: number[][] = [];
      for (let round = 0; round < 1000; round++) {
        times.push(written(fd));
        native.currentTime(time);
        times.push([...time]);
      }
      const inOrder = [...times].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      assert.deepEqual(times, inOrder);
    });
  });

  test('opening fails with the errno and the path', async () => {
    const wanted = { code: 'ENOENT', errno: 2, syscall: 'open', path: at('absent') };
    assert.throws(() => native.openSync(at('absent'), O_RDONLY, 0), wanted);
    await assert.rejects(native.open(at('absent'), O_RDONLY, 0), wanted);
  });

  test('a descriptor is not inherited by child processes', async () => {
    const fd = await native.open(at('created'), O_RDWR | O_CREAT | O_EXCL, 0o640);
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
    native.close(fd);
    assert.equal(parseInt(/flags:\s*(\d+)/.exec(info)![1], 8) & 0o2000000, 0o2000000);
    assert.throws(() => native.close(fd), { code: 'EBADF' });
  });

  test('stat reports what node:fs reports', async () => {
    await withFile('stat', randomBytes(10_000), (fd, path) => {
      const wanted = statSync(path);
      for (const fill of [native.statFd.bind(null, fd), native.statPath.bind(null, path)]) {
        const out = new Float64Array(Stat.length);
        fill(out);
        assert.equal(out[Stat.size], 10_000);
        assert.equal(out[Stat.blocks], wanted.blocks);
        assert.equal(out[Stat.mode], wanted.mode);
        assert.equal(out[Stat.ino], wanted.ino);
        assert.equal(out[Stat.dev], wanted.dev);
        assert.equal(out[Stat.nlink], 1);
        assert.equal(Math.floor(wanted.mtimeMs / 1000), out[Stat.mtimeSec]);
      }
    });
  });

  test('written bytes read back, short only at the end of the file', async () => {
    await withFile('data', Buffer.alloc(0), async (fd) => {
      const data = randomBytes(3_000_001);
      assert.equal(await native.write(fd, 17, data), data.length);
      assert.deepEqual(await native.read(fd, 17, data.length), data);
      assert.deepEqual(await native.read(fd, 17, 2 * data.length), data);
      assert.equal((await native.read(fd, 17 + data.length, 10)).length, 0);
      await assert.rejects(native.read(fd, 0, -1), { code: 'EINVAL' });
      await assert.rejects(native.read(fd, -1, 1), { code: 'EINVAL' });
      await assert.rejects(native.read(-1, 0, 1), { code: 'EBADF' });
    });
  });

  test('writing to a full medium is an error, not a short success', async () => {
    const fd = native.openSync('/dev/full', O_RDWR, 0);
    await assert.rejects(native.write(fd, 0, Buffer.from('x')), { code: 'ENOSPC' });
    native.close(fd);
  });

  test('truncate, allocate and punch leave the bytes around them', async () => {
    const data = randomBytes(65_536);
    await withFile('sized', data, async (fd, path) => {
      await native.truncate(fd, 40_000);
      assert.deepEqual(readFileSync(path), data.subarray(0, 40_000));
      await assert.rejects(native.truncate(fd, -1), { code: 'EINVAL' });
      const keepSizeAndPunch = 3;
      await native.fallocate(fd, keepSizeAndPunch, 8192, 8192);
      data.fill(0, 8192, 16_384);
      assert.deepEqual(readFileSync(path), data.subarray(0, 40_000));
      assert.equal(native.seek(fd, 0, SEEK_HOLE), 8192);
      assert.equal(native.seek(fd, 8192, SEEK_DATA), 16_384);
      assert.throws(() => native.seek(fd, 1_000_000, SEEK_DATA), { code: 'ENXIO' });
    });
  });

  test('copied ranges are the same bytes, within and across filesystems', async () => {
    const data = randomBytes(2_500_000);
    const other = mkdtempSync('/dev/shm/coral-reef-io-');
    await withFile('source', data, async (from) => {
      for (const target of [at('target'), join(other, 'target')]) {
        const to = native.openSync(target, O_RDWR | O_CREAT, 0o600);
        assert.equal(await native.copyRange(from, 5, to, 9, 2_000_000), 2_000_000);
        assert.equal(await native.copyRange(from, 2_400_000, to, 0, 1_000_000), 100_000);
        native.close(to);
        assert.deepEqual(readFileSync(target).subarray(100_000), data.subarray(99_996, 2_000_005));
      }
      await assert.rejects(native.copyRange(from, -1, from, 0, 1), { code: 'EINVAL' });
    });
    rmSync(other, { recursive: true });
  });

  test('times are set to the nanosecond, and one can be left alone', async () => {
    await withFile('times', Buffer.alloc(1), (fd) => {
      native.setTimes(fd, 1_000_000_000, 123_456_789, 2_000_000_000, 987_654_321);
      native.setTimes(fd, 0, UTIME_OMIT, 2_000_000_001, 1);
      const out = new Float64Array(Stat.length);
      native.statFd(fd, out);
      assert.deepEqual(
        [...out.subarray(Stat.atimeSec, Stat.mtimeNsec + 1)],
        [1_000_000_000, 123_456_789, 2_000_000_001, 1],
      );
    });
  });

  test('extended attributes survive, absent ones are null', async () => {
    await withFile('attributes', Buffer.alloc(1), (fd, path) => {
      const value = randomBytes(300);
      native.setXattr(fd, 'user.coral-reef', value);
      native.setXattr(fd, 'user.empty', Buffer.alloc(0));
      assert.deepEqual(native.getXattr(path, 'user.coral-reef'), value);
      assert.deepEqual(native.getXattr(path, 'user.empty'), Buffer.alloc(0));
      assert.equal(native.getXattr(path, 'user.absent'), null);
      assert.throws(() => native.getXattr(at('absent'), 'user.x'), { code: 'ENOENT' });
      assert.throws(() => native.setXattr(fd, 'wrong', value), { code: 'EOPNOTSUPP' });
    });
  });

  test('syncing files, directories and filesystems succeeds or names what failed', async () => {
    await withFile('synced', randomBytes(100), async (fd) => {
      await native.fsync(fd, true);
      await native.fsync(fd, false);
      await native.syncDirectory(root);
      await native.syncFilesystem(root);
      await assert.rejects(native.fsync(-1, true), { code: 'EBADF', syscall: 'fdatasync' });
      await assert.rejects(native.syncDirectory(at('synced')), { code: 'ENOTDIR' });
      await assert.rejects(native.syncFilesystem(at('absent')), { code: 'ENOENT' });
    });
  });

  test('a locked file cannot be locked by a second owner', async () => {
    await withFile('locked', Buffer.alloc(0), (fd, path) => {
      assert.equal(native.lockFile(fd), true);
      const second = native.openSync(path, O_RDWR, 0);
      assert.equal(native.lockFile(second), false);
      native.close(second);
      assert.throws(() => execFileSync('flock', ['-n', path, 'true']));
    });
    execFileSync('flock', ['-n', at('locked'), 'true']);
  });

  test('arguments of a wrong type are TypeErrors', () => {
    const wrong = native as unknown as Record<string, (...args: unknown[]) => unknown>;
    assert.throws(() => wrong.openSync(1, 2, 3), TypeError);
    assert.throws(() => wrong.open('a\0b', 0, 0), TypeError);
    assert.throws(() => wrong.close(), TypeError);
    assert.throws(() => wrong.close(NaN), TypeError);
    assert.throws(() => wrong.close(2 ** 40), TypeError);
    assert.throws(() => wrong.statFd(0, new Float64Array(3)), TypeError);
    assert.throws(() => wrong.statFd(0, new Uint8Array(100)), TypeError);
    assert.throws(() => wrong.write(0, 0, 'text'), TypeError);
    assert.throws(() => wrong.fsync(0, 1), TypeError);
    assert.throws(() => wrong.createSession(0), TypeError);
    assert.throws(() => wrong.createSession('0', {}), TypeError);
    assert.throws(() => native.createSession(-1, { onRequests: () => 0 } as never), {
      code: 'EBADF',
    });
    assert.throws(() => wrong.mount('a', 'b'), TypeError);
  });
});
