// Runs fusermount3, the set-user-id helper that mounts and unmounts FUSE filesystems for everybody.
#pragma once

#include <string>

#include "io/status.h"
#include "io/unique_fd.h"

namespace coral::fuse {

struct HelperRequest {
  std::string options;  // a list for -o
  std::string mountpoint;
  bool stays = false;  // auto_unmount: the helper runs until this process is gone
};

// On refusal `*message` is what the helper wrote to stderr.
Status MountByHelper(const HelperRequest& request, UniqueFd* device, std::string* message);
Status UnmountByHelper(const std::string& mountpoint, bool lazy, std::string* message);

}  // namespace coral::fuse
