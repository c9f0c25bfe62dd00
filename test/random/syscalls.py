"""System calls for the random testers, one after another as the test asks: what Node can't call.

A request is a line of JSON, {"call", "args", "bytes"}, followed by `bytes` bytes of data; an answer is a line
{"value", "error", "bytes"} and its data. `error` is the name of an errno. Descriptors and mappings stay open
until they are closed, or until this program ends with its input.
"""
import ctypes
import errno
import itertools
import json
import mmap
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_int64]
libc.mmap.restype = ctypes.c_void_p
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
MAP_FAILED = ctypes.c_void_p(-1).value
MS_SYNC = 4
PAGE = mmap.PAGESIZE
AT_FDCWD = -100

maps = {}
numbers = itertools.count(1)


def checked(result, path=None):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def aligned(length):
    """Memory that O_DIRECT accepts."""
    return mmap.mmap(-1, -(-length // PAGE) * PAGE)


def is_direct(fd):
    with open(f'/proc/self/fdinfo/{fd}') as lines:
        flags = next(line for line in lines if line.startswith('flags:'))
    return int(flags.split()[1], 8) & os.O_DIRECT != 0


def pread(data, fd, length, offset):
    if not is_direct(fd):
        return os.pread(fd, length, offset)
    with aligned(length) as memory:
        done = os.preadv(fd, [memoryview(memory)[:length]], offset)
        return memory[:done]


def pwrite(data, fd, offset):
    if not is_direct(fd):
        return os.pwrite(fd, data, offset)
    with aligned(len(data)) as memory:
        memory[: len(data)] = data
        return os.pwritev(fd, [memoryview(memory)[: len(data)]], offset)


def map_file(data, fd, length, offset, writable):
    """Not by Python's own class: that keeps a descriptor, and a mapping must be able to outlive all of them."""
    prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    address = libc.mmap(None, length, prot, mmap.MAP_SHARED, fd, offset)
    if address == MAP_FAILED:
        checked(-1)
    number = next(numbers)
    maps[number] = (address, length)
    return number


def map_read(data, number, offset, length):
    return ctypes.string_at(maps[number][0] + offset, length)


def map_write(data, number, offset):
    ctypes.memmove(maps[number][0] + offset, data, len(data))


def map_advise(data, number, advice):
    checked(libc.madvise(*maps[number], advice))


def map_resident(data, number):
    """One byte for each page, 1 where it is in the page cache."""
    address, length = maps[number]
    pages = (ctypes.c_ubyte * -(-length // PAGE))()
    checked(libc.mincore(address, length, pages))
    return bytes(page & 1 for page in pages)


def map_sync(data, number):
    checked(libc.msync(*maps[number], MS_SYNC))


def unmap(data, number):
    checked(libc.munmap(*maps.pop(number)))


def rename(data, source, target, flags):
    checked(libc.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), flags), source)


def lstat(data, path):
    stat = os.lstat(path)
    names = ('st_ino', 'st_mode', 'st_nlink', 'st_uid', 'st_gid', 'st_size')
    return {name[3:]: getattr(stat, name) for name in names} | {'mtimeNs': str(stat.st_mtime_ns)}


def read_file(data, path):
    with open(path, 'rb', buffering=0) as file:
        return file.readall()


def write_file(data, path, flags, offset):
    fd = os.open(path, flags)
    try:
        if os.pwrite(fd, data, offset) != len(data):
            raise OSError(errno.ENOSPC, 'short write', path)
    finally:
        os.close(fd)


def sync_path(data, path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def xattrs(data, path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names}


CALLS = {
    'open': lambda data, path, flags: os.open(path, flags, 0o644),
    'close': lambda data, fd: os.close(fd),
    'pread': pread,
    'pwrite': pwrite,
    'append': lambda data, fd: os.write(fd, data),
    'size': lambda data, fd: os.fstat(fd).st_size,
    'ftruncate': lambda data, fd, size: os.ftruncate(fd, size),
    'truncate': lambda data, path, size: os.truncate(path, size),
    'fallocate': lambda data, *args: checked(libc.fallocate(*args)),
    'copyRange': lambda data, source, at, target, to, length: os.copy_file_range(
        source, target, length, at, to
    ),
    'fsync': lambda data, fd: os.fsync(fd),
    'fdatasync': lambda data, fd: os.fdatasync(fd),
    'dropPages': lambda data, fd: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED),
    'seek': lambda data, fd, offset, whence: os.lseek(fd, offset, whence),
    'map': map_file,
    'mapRead': map_read,
    'mapWrite': map_write,
    'mapAdvise': map_advise,
    'mapResident': map_resident,
    'mapSync': map_sync,
    'unmap': unmap,
    'create': lambda data, path, mode: os.close(
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    ),
    'mkdir': lambda data, path, mode: os.mkdir(path, mode),
    'mkfifo': lambda data, path, mode: os.mkfifo(path, mode),
    'link': lambda data, source, target: os.link(source, target, follow_symlinks=False),
    'symlink': lambda data, target, path: os.symlink(target, path),
    'readlink': lambda data, path: os.readlink(path),
    'rename': rename,
    'unlink': lambda data, path: os.unlink(path),
    'rmdir': lambda data, path: os.rmdir(path),
    'chmod': lambda data, path, mode: os.chmod(path, mode),
    'chown': lambda data, path, uid, gid: os.lchown(path, uid, gid),
    'utimens': lambda data, path, atime, mtime: os.utime(
        path, ns=(int(atime), int(mtime)), follow_symlinks=False
    ),
    'setxattr': lambda data, path, name, flags: os.setxattr(
        path, name, data, flags, follow_symlinks=False
    ),
    'removexattr': lambda data, path, name: os.removexattr(path, name, follow_symlinks=False),
    'xattrs': xattrs,
    'lstat': lstat,
    'readdir': lambda data, path: sorted(os.listdir(path)),
    'readFile': read_file,
    'writeFile': write_file,
    'syncPath': sync_path,
}


def answer(value, error=None):
    payload, value = (value, None) if isinstance(value, bytes) else (b'', value)
    head = {'value': value, 'error': error, 'bytes': len(payload)}
    sys.stdout.buffer.write(json.dumps(head).encode() + b'\n' + payload)
    sys.stdout.buffer.flush()


def main():
    os.umask(0)
    for line in iter(sys.stdin.buffer.readline, b''):
        request = json.loads(line)
        data = sys.stdin.buffer.read(request['bytes'])
        try:
            answer(CALLS[request['call']](data, *request['args']))
        except OSError as error:
            answer(None, errno.errorcode.get(error.errno, str(error.errno)))


main()
