// Mounts and unmounts: with the system call where that is allowed, through fusermount3 otherwise.
#pragma once

#include <string>

#include "io/status.h"
#include "io/unique_fd.h"

namespace coral::fuse {

struct MountRequest {
  std::string source;
  std::string mountpoint;
  std::string subtype;
  unsigned long flags = 0;    // MS_*
  std::string options;        // what the kernel is told beside fd, rootmode, user_id and group_id
  bool auto_unmount = false;  // fusermount3 stays, and unmounts when this process is gone
};

struct Mounted {
  UniqueFd fd;
  bool via_helper = false;
};

// Where fusermount3 was asked and refused, the status names the syscall "fusermount3" and
// `*message` is what it wrote to stderr.
Status Mount(const MountRequest& request, Mounted* mounted, std::string* message);
// Gives the whole filesystem that is mounted there these MS_* flags. For root.
Status Remount(const std::string& mountpoint, unsigned long flags);
Status Unmount(const std::string& mountpoint, bool lazy, std::string* message);

}  // namespace coral::fuse
