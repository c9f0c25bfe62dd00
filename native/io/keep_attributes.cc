#include "io/keep_attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace coral {

namespace {

constexpr mode_t kModeBits = 07777;
constexpr const char* kAccessList = "system.posix_acl_access";
constexpr const char* kDefaultList = "system.posix_acl_default";

int Chown(const Node& node, uid_t uid, gid_t gid) {
  return node.fd >= 0 ? fchown(node.fd, uid, gid) : lchown(node.path.c_str(), uid, gid);
}

int Chmod(const Node& node, mode_t mode) {
  return node.fd >= 0 ? fchmod(node.fd, mode) : chmod(node.path.c_str(), mode);
}

int SetTimes(const Node& node, const timespec times[2]) {
  return node.fd >= 0 ? futimens(node.fd, times)
                      : utimensat(AT_FDCWD, node.path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

ssize_t ListNames(const Node& node, char* into, size_t size) {
  return node.fd >= 0 ? flistxattr(node.fd, into, size) : llistxattr(node.path.c_str(), into, size);
}

ssize_t GetValue(const Node& node, const char* name, char* into, size_t size) {
  return node.fd >= 0 ? fgetxattr(node.fd, name, into, size)
                      : lgetxattr(node.path.c_str(), name, into, size);
}

int SetValue(const Node& node, const char* name, const std::vector<char>& value) {
  return node.fd >= 0 ? fsetxattr(node.fd, name, value.data(), value.size(), 0)
                      : lsetxattr(node.path.c_str(), name, value.data(), value.size(), 0);
}

void Remove(const Node& node, const char* name) {
  if (node.fd >= 0) {
    fremovexattr(node.fd, name);
  } else {
    lremovexattr(node.path.c_str(), name);
  }
}

// What `read` fills: with a buffer first, since nearly all of it is short. ERANGE: it was not.
template <typename Read>
Status Whole(const char* syscall, std::vector<char>* into, Read read) {
  into->resize(1024);
  for (;;) {
    const ssize_t got = read(into->data(), into->size());
    if (got >= 0) {
      into->resize(static_cast<size_t>(got));
      return Status::Ok();
    }
    if (errno != ERANGE) return Status::FromErrno(syscall);
    const ssize_t size = read(nullptr, 0);
    if (size < 0) return Status::FromErrno(syscall);
    into->resize(static_cast<size_t>(size) + 1024);
  }
}

bool NotForUs(int error) { return error == EPERM || error == EACCES || error == EOPNOTSUPP; }

Status GetOne(const Node& from, const char* name, std::vector<char>* value) {
  return Whole("getxattr", value,
               [&](char* into, size_t size) { return GetValue(from, name, into, size); });
}

// Of reading one: it was removed meanwhile, or is not for this process to read.
bool MayBeLeft(const Status& status) {
  return status.error() == ENODATA || NotForUs(status.error());
}

Status KeepOne(const Node& from, const Node& to, const char* name, KeptAttributes* kept) {
  std::vector<char> value;
  auto status = GetOne(from, name, &value);
  if (!status.ok()) return MayBeLeft(status) ? Status::Ok() : status;
  if (SetValue(to, name, value) == 0) return Status::Ok();
  if (!NotForUs(errno)) return Status::FromErrno("setxattr");
  // A name space that is root's is no loss to who is not: nobody else could read it either.
  if (errno == EOPNOTSUPP) kept->all = false;
  return Status::Ok();
}

// What a new file inherited from its directory; its original decides.
void DropInherited(const Node& to, mode_t mode, std::string_view names) {
  if (S_ISLNK(mode)) return;
  for (const char* list : {kAccessList, kDefaultList}) {
    if (list == kDefaultList && !S_ISDIR(mode)) continue;
    const std::string_view whole(list, strlen(list) + 1);
    if (names.find(whole) != names.npos) continue;
    if (GetValue(to, list, nullptr, 0) > 0) Remove(to, list);
  }
}

Status KeepXattrs(const Node& from, mode_t mode, const Node& to, KeptAttributes* kept) {
  std::vector<char> names;
  auto status = Status::Ok();
  if (from.xattrs) {
    status = Whole("listxattr", &names,
                   [&](char* into, size_t size) { return ListNames(from, into, size); });
    if (!status.ok() && !NotForUs(status.error())) return status;
    if (!status.ok()) names.clear();
  }
  DropInherited(to, mode, {names.data(), names.size()});
  for (size_t at = 0; at < names.size(); at += strlen(&names[at]) + 1) {
    status = KeepOne(from, to, &names[at], kept);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

// `*mode` loses its set-id bits where they would mean somebody else.
Status KeepOwner(const struct stat& original, const Node& to, const struct stat& created,
                 mode_t* mode) {
  if (original.st_uid == created.st_uid && original.st_gid == created.st_gid) return Status::Ok();
  if (Chown(to, original.st_uid, original.st_gid) == 0) return Status::Ok();
  if (errno != EPERM && errno != EINVAL) return Status::FromErrno("chown");
  // The group may still be one of ours.
  if (Chown(to, static_cast<uid_t>(-1), original.st_gid) != 0 && errno != EPERM &&
      errno != EINVAL) {
    return Status::FromErrno("chown");
  }
  *mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID | S_ISVTX);
  return Status::Ok();
}

}  // namespace

Status KeepAttributes(const Node& from, const struct stat& original, const Node& to,
                      const struct stat& created, KeptAttributes* kept) {
  mode_t mode = original.st_mode & kModeBits;
  auto status = KeepOwner(original, to, created, &mode);
  if (!status.ok()) return status;
  // After the owner, which takes them away: a capability, and set-id bits.
  status = KeepXattrs(from, original.st_mode, to, kept);
  if (!status.ok()) return status;
  // An ACL has changed the mode, and a new owner too.
  const bool untouched = !from.xattrs && (created.st_mode & kModeBits) == mode &&
                         original.st_uid == created.st_uid && original.st_gid == created.st_gid;
  if (!untouched && !S_ISLNK(original.st_mode) && Chmod(to, mode) != 0) {
    return Status::FromErrno("chmod");
  }
  const timespec times[2] = {original.st_atim, original.st_mtim};
  if (SetTimes(to, times) != 0) return Status::FromErrno("utimensat");
  return Status::Ok();
}

Status ReadXattrs(int fd, std::vector<Xattr>* into) {
  const Node from{fd};
  std::vector<char> names;
  const auto listed = Whole("listxattr", &names, [&](char* buffer, size_t size) {
    return ListNames(from, buffer, size);
  });
  if (!listed.ok()) return NotForUs(listed.error()) ? Status::Ok() : listed;
  for (size_t at = 0; at < names.size(); at += strlen(&names[at]) + 1) {
    Xattr one{&names[at], {}};
    const auto status = GetOne(from, &names[at], &one.value);
    if (status.ok()) {
      into->push_back(std::move(one));
    } else if (!MayBeLeft(status)) {
      return status;
    }
  }
  return Status::Ok();
}

}  // namespace coral
