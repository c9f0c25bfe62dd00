"""System calls that no program of the distribution makes for a test: file handles, idmapped mounts.

mount-calls.py handle PATH                       prints the handle of a file
mount-calls.py open MOUNTPOINT HANDLE            prints what open_by_handle_at(2) finds: type, inode, content
mount-calls.py idmap SOURCE TARGET FROM TO COUNT binds SOURCE to TARGET, ids from FROM on seen as from TO on
"""
import ctypes
import os
import stat
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
MAX_HANDLE = 128
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE = 1
MOVE_MOUNT_FROM_EMPTY = 4
MOUNT_ATTR_IDMAP = 0x00100000
CLONE_NEWUSER = 0x10000000


class Handle(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * MAX_HANDLE)]


class MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def handle(path):
    found = Handle(length=MAX_HANDLE)
    mount = ctypes.c_int()
    check(
        libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(found), ctypes.byref(mount), 0),
        "name_to_handle_at",
    )
    print(f"{found.type}:{bytes(found.bytes[: found.length]).hex()}")


def open_by_handle(mountpoint, text):
    kind, data = text.split(":")
    data = bytes.fromhex(data)
    wanted = Handle(length=len(data), type=int(kind))
    wanted.bytes[: len(data)] = data
    root = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY)
    fd = check(libc.open_by_handle_at(root, ctypes.byref(wanted), os.O_RDONLY), "open_by_handle_at")
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        print("directory", status.st_ino, ",".join(sorted(os.listdir(fd))), os.readlink(f"/proc/self/fd/{fd}"))
    else:
        print("file", status.st_ino, os.read(fd, 1 << 16).decode())


def user_namespace(first_inside, first_outside, count):
    """A descriptor of a new user namespace with this map."""
    ready_out, ready_in = os.pipe()
    done_out, done_in = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(done_in)
        failed = libc.unshare(CLONE_NEWUSER) != 0
        os.write(ready_in, b"f" if failed else b"r")
        os.read(done_out, 1)
        os._exit(0)
    if os.read(ready_out, 1) != b"r":
        raise OSError("unshare(CLONE_NEWUSER) failed")
    for which in ("uid_map", "gid_map"):
        with open(f"/proc/{child}/{which}", "w") as file:
            file.write(f"{first_inside} {first_outside} {count}\n")
    fd = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    os.close(done_in)
    os.waitpid(child, 0)
    return fd


def idmap(source, target, first, seen_as, count):
    userns = user_namespace(first, seen_as, count)
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC
    tree = check(libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(source), flags), "open_tree")
    attributes = MountAttributes(set=MOUNT_ATTR_IDMAP, userns=userns)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    check(
        libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(attributes), size),
        "mount_setattr",
    )
    check(
        libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_FROM_EMPTY),
        "move_mount",
    )


COMMANDS = {"handle": handle, "open": open_by_handle, "idmap": idmap}
if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
