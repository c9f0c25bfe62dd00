#include "fuse/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <vector>

#include "fuse/mount_helper.h"

namespace coral::fuse {

namespace {

constexpr const char* kDevicePath = "/dev/fuse";
// MS_NOSYMFOLLOW, which older headers lack.
constexpr unsigned long kNoSymlinkFollow = 256;

bool NotAllowed(const Status& status) {
  return status.error() == EPERM || status.error() == EACCES;
}

Status OpenDevice(UniqueFd* device) {
  device->reset(open(kDevicePath, O_RDWR | O_CLOEXEC | O_NONBLOCK));
  return device->valid() ? Status::Ok() : Status::FromErrno("open", kDevicePath);
}

Status MountDirectly(const MountRequest& request, UniqueFd* device) {
  Status opened = OpenDevice(device);
  if (!opened.ok()) return opened;
  struct stat at;
  if (stat(request.mountpoint.c_str(), &at) != 0) {
    return Status::FromErrno("stat", request.mountpoint);
  }
  char own[128];
  snprintf(own, sizeof(own), "fd=%d,rootmode=%o,user_id=%u,group_id=%u", device->get(),
           at.st_mode & S_IFMT, geteuid(), getegid());
  const std::string options = request.options.empty() ? own : own + ("," + request.options);
  const std::string type = "fuse." + request.subtype;
  if (mount(request.source.c_str(), request.mountpoint.c_str(), type.c_str(), request.flags,
            options.c_str()) != 0) {
    return Status::FromErrno("mount", request.mountpoint);
  }
  return Status::Ok();
}

// fusermount3 takes options separated by commas; a backslash makes the next character literal.
std::string Escaped(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string HelperOptions(const MountRequest& request) {
  static constexpr struct {
    unsigned long flag;
    const char* name;
  } kNames[] = {{MS_RDONLY, "ro"},
                {MS_NOSUID, "nosuid"},
                {MS_NODEV, "nodev"},
                {MS_NOEXEC, "noexec"},
                {MS_NOATIME, "noatime"},
                {MS_SYNCHRONOUS, "sync"},
                {MS_DIRSYNC, "dirsync"},
                {MS_NODIRATIME, "nodiratime"},
                {MS_STRICTATIME, "strictatime"},
                {MS_LAZYTIME, "lazytime"},
                {kNoSymlinkFollow, "nosymfollow"}};
  std::string options =
      "fsname=" + Escaped(request.source) + ",subtype=" + Escaped(request.subtype);
  for (const auto& [flag, name] : kNames) {
    if ((request.flags & flag) != 0) options += std::string(",") + name;
  }
  if (request.auto_unmount) options += ",auto_unmount";
  if (!request.options.empty()) options += "," + request.options;
  return options;
}

// Where there is no helper to ask, the kernel's own refusal is what went wrong.
Status OrDirect(Status by_helper, Status direct, std::string* message) {
  const bool missing = !by_helper.ok() && by_helper.error() == ENOENT;
  if (!missing) return by_helper;
  *message = std::string(direct.syscall()) + " of " + direct.path() +
             " is not permitted, and fusermount3 is not installed";
  return direct;
}

}  // namespace

Status Mount(const MountRequest& request, Mounted* mounted, std::string* message) {
  Status direct = Status::Error(EPERM, "mount", request.mountpoint);
  if (!request.auto_unmount) direct = MountDirectly(request, &mounted->fd);
  if (direct.ok() || !NotAllowed(direct)) return direct;
  mounted->fd.reset();
  mounted->via_helper = true;
  const HelperRequest by_helper{HelperOptions(request), request.mountpoint, request.auto_unmount};
  return OrDirect(MountByHelper(by_helper, &mounted->fd, message), direct, message);
}

Status Remount(const std::string& mountpoint, unsigned long flags) {
  if (mount("none", mountpoint.c_str(), nullptr, MS_REMOUNT | flags, nullptr) == 0) {
    return Status::Ok();
  }
  return Status::FromErrno("mount", mountpoint);
}

Status Unmount(const std::string& mountpoint, bool lazy, std::string* message) {
  const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
  if (umount2(mountpoint.c_str(), flags) == 0) return Status::Ok();
  const Status direct = Status::FromErrno("umount", mountpoint);
  if (!NotAllowed(direct)) return direct;
  return OrDirect(UnmountByHelper(mountpoint, lazy, message), direct, message);
}

}  // namespace coral::fuse
