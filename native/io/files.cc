#include "io/files.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>
#include <limits>
#include <memory>

namespace coral::io {

namespace {

constexpr size_t kCopyStep = size_t{1} << 20;

// Calls until it is not interrupted.
template <typename Call>
auto Uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

bool CannotShare(int error) {
  return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

Status CopyThroughMemory(int in, int64_t in_offset, int out, int64_t out_offset, int64_t length,
                         int64_t* copied) {
  const auto buffer = std::make_unique<char[]>(kCopyStep);
  while (*copied < length) {
    const auto want = static_cast<size_t>(std::min<int64_t>(length - *copied, kCopyStep));
    size_t got = 0;
    Status status = ReadFully(in, buffer.get(), want, in_offset + *copied, &got);
    if (!status.ok() || got == 0) return status;
    status = WriteFully(out, buffer.get(), got, out_offset + *copied);
    if (!status.ok()) return status;
    *copied += static_cast<int64_t>(got);
  }
  return Status::Ok();
}

}  // namespace

Status Open(const std::string& path, int flags, unsigned mode, UniqueFd* fd) {
  fd->reset(Uninterrupted([&] { return open(path.c_str(), flags | O_CLOEXEC, mode); }));
  // Only a file's owner may leave its access time alone.
  if (!fd->valid() && errno == EPERM && (flags & O_NOATIME) != 0) {
    return Open(path, flags & ~O_NOATIME, mode, fd);
  }
  return fd->valid() ? Status::Ok() : Status::FromErrno("open", path);
}

Status OpenRegular(const std::string& path, int flags, UniqueFd* fd) {
  Status status = Open(path, flags | O_NONBLOCK, 0, fd);
  if (!status.ok()) return status;
  struct stat attributes;
  if (fstat(fd->get(), &attributes) != 0) {
    status = Status::FromErrno("fstat", path);
  } else if (!S_ISREG(attributes.st_mode)) {
    status = Status::Error(EIO, "open what is no file", path);
  }
  if (!status.ok()) fd->reset();
  return status;
}

Status Sync(int fd, bool data_only) {
  if (Uninterrupted([&] { return data_only ? fdatasync(fd) : fsync(fd); }) == 0) {
    return Status::Ok();
  }
  return Status::FromErrno(data_only ? "fdatasync" : "fsync");
}

Status SyncDirectory(const std::string& path) {
  UniqueFd fd;
  Status status = Open(path, O_RDONLY | O_DIRECTORY, 0, &fd);
  if (!status.ok()) return status;
  if (Uninterrupted([&] { return fsync(fd.get()); }) == 0) return Status::Ok();
  return Status::FromErrno("fsync", path);
}

Status SyncFilesystem(const std::string& path) {
  UniqueFd fd;
  Status status = Open(path, O_RDONLY, 0, &fd);
  if (!status.ok()) return status;
  return syncfs(fd.get()) == 0 ? Status::Ok() : Status::FromErrno("syncfs", path);
}

Status Truncate(int fd, int64_t size) {
  if (Uninterrupted([&] { return ftruncate(fd, size); }) == 0) return Status::Ok();
  return Status::FromErrno("ftruncate");
}

Status Allocate(int fd, int mode, int64_t offset, int64_t length) {
  if (Uninterrupted([&] { return fallocate(fd, mode, offset, length); }) == 0) {
    return Status::Ok();
  }
  return Status::FromErrno("fallocate");
}

Status ReadFully(int fd, char* into, size_t length, int64_t offset, size_t* done) {
  for (*done = 0; *done < length;) {
    const ssize_t got = Uninterrupted([&] {
      return pread(fd, into + *done, length - *done, offset + static_cast<int64_t>(*done));
    });
    if (got < 0) return Status::FromErrno("pread");
    if (got == 0) break;
    *done += static_cast<size_t>(got);
  }
  return Status::Ok();
}

Status WriteFully(int fd, const char* from, size_t length, int64_t offset) {
  for (size_t done = 0; done < length;) {
    const ssize_t put = Uninterrupted([&] {
      return pwrite(fd, from + done, length - done, offset + static_cast<int64_t>(done));
    });
    if (put < 0) return Status::FromErrno("pwrite");
    if (put == 0) return Status::Error(EIO, "pwrite");
    done += static_cast<size_t>(put);
  }
  return Status::Ok();
}

Status CopyRange(int in, int64_t in_offset, int out, int64_t out_offset, int64_t length,
                 int64_t* copied) {
  *copied = 0;
  if (in_offset < 0 || out_offset < 0 || length < 0) {
    return Status::Error(EINVAL, "copy_file_range");
  }
  while (*copied < length) {
    loff_t from = in_offset + *copied;
    loff_t to = out_offset + *copied;
    const auto want = static_cast<size_t>(std::min<int64_t>(length - *copied, 1 << 30));
    const ssize_t got =
        Uninterrupted([&] { return copy_file_range(in, &from, out, &to, want, 0); });
    if (got == 0) break;
    if (got > 0) {
      *copied += got;
    } else if (CannotShare(errno)) {
      return CopyThroughMemory(in, in_offset, out, out_offset, length, copied);
    } else {
      return Status::FromErrno("copy_file_range");
    }
  }
  return Status::Ok();
}

Status GetXattr(const std::string& path, const std::string& name, bool* present,
                std::string* value) {
  *present = false;
  value->clear();
  for (;;) {
    const ssize_t size = getxattr(path.c_str(), name.c_str(), nullptr, 0);
    ssize_t got = -1;
    if (size >= 0) {
      value->resize(static_cast<size_t>(size));
      got = size == 0 ? 0 : getxattr(path.c_str(), name.c_str(), value->data(), value->size());
    }
    if (got >= 0) {
      value->resize(static_cast<size_t>(got));
      *present = true;
      return Status::Ok();
    }
    if (errno == ENODATA) return Status::Ok();
    // ERANGE: it grew between the two calls.
    if (errno != ERANGE) return Status::FromErrno("getxattr", path);
  }
}

}  // namespace coral::io
