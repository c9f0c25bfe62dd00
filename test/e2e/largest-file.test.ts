/** The largest files that XFS has: the kernel refuses what it is told of a size of 2^63, and then even their deletion. */
import assert from 'node:assert/strict';
import { rename, rm, stat } from 'node:fs/promises';
import { exists, scenario } from './harness.js';
import { must } from '../../scripts/lib/process.js';

/** In this language sizes are exact. */
const CALLS = `
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
MOST = 2 ** 63 - 1

def refused(call):
    try:
        call()
    except OSError as error:
        assert error.errno == errno.EFBIG, error
    else:
        raise AssertionError('it was not refused')

def fallocate(fd, offset, length):
    if libc.fallocate(fd, 0, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), 'fallocate')

os.chdir(sys.argv[1])
fd = os.open('cut', os.O_CREAT | os.O_RDWR)
os.write(fd, b'data')
for size in (MOST, 2 ** 62, 2 ** 53):
    refused(lambda: os.ftruncate(fd, size))
    refused(lambda: fallocate(fd, size - 4096, 4096))
    refused(lambda: os.copy_file_range(fd, fd, 4, 0, size - 1))
assert os.fstat(fd).st_size == 4
os.ftruncate(fd, 2 ** 52)
assert os.stat('cut').st_size == 2 ** 52
os.unlink('cut')

# Past the daemon, where the kernel serves the file.
fd = os.open('written', os.O_CREAT | os.O_RDWR)
os.pwrite(fd, b'at the end', MOST - 600)
assert os.fstat(fd).st_size > 2 ** 62
os.close(fd)
`;

for (const passthrough of ['auto', 'off']) {
  scenario(
    `a file of the largest size can be looked at, renamed and deleted (passthrough=${passthrough})`,
    { media: 'xfs', mount: [`passthrough=${passthrough}`] },
    async (volume) => {
      await must('python3', ['-c', CALLS, volume.mountpoint]);
      const { size } = await stat(volume.at('written'), { bigint: true });
      assert.ok(size > 2n ** 62n && size < 2n ** 63n, String(size));
      await volume.remount([`passthrough=${passthrough}`]);
      await rename(volume.at('written'), volume.at('renamed'));
      await must('head', ['-c', '1', volume.at('renamed')]);
      await volume.must('where', volume.at('renamed'));
      await volume.must('fsck', volume.mountpoint);
      await rm(volume.at('renamed'));
      assert.ok(!(await exists(volume.at('renamed'))));
    },
  );
}
