#include "io/new_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

namespace coral {

namespace {

constexpr mode_t kPrivate = 0600;

std::string DirectoryOf(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Short, since the name itself may be as long as a name can be; another process has another one.
std::string PartOf(const std::string& path) {
  static std::atomic<unsigned> counter = 0;
  return DirectoryOf(path) + "/.coral-reef-part-" + std::to_string(getpid()) + "-" +
         std::to_string(counter++);
}

bool HasNoNamelessFiles(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT;
}

}  // namespace

NewFile::~NewFile() {
  if (!part_.empty()) unlink(part_.c_str());
}

Status NewFile::Create(const std::string& path, mode_t mode) {
  path_ = path;
  fd_.reset(open(DirectoryOf(path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode & 0777));
  if (fd_.valid()) return Status::Ok();
  return HasNoNamelessFiles(errno) ? CreateNamed() : Status::FromErrno("open");
}

Status NewFile::CreateNamed() {
  const auto part = PartOf(path_);
  // Left by a process that had this number and was killed.
  unlink(part.c_str());
  fd_.reset(open(part.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, kPrivate));
  if (!fd_.valid()) return Status::FromErrno("open");
  part_ = part;
  return Status::Ok();
}

Status NewFile::Publish() {
  if (part_.empty()) {
    const auto self = "/proc/self/fd/" + std::to_string(fd_.get());
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      return Status::Ok();
    }
    return Status::FromErrno("linkat");
  }
  if (renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) {
    part_.clear();
    return Status::Ok();
  }
  if (errno != EINVAL && errno != ENOSYS) return Status::FromErrno("rename");
  // Not every filesystem knows RENAME_NOREPLACE. The part's name goes with this object.
  return link(part_.c_str(), path_.c_str()) == 0 ? Status::Ok() : Status::FromErrno("link");
}

}  // namespace coral
