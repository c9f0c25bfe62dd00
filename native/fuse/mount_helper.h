// Runs fusermount3, the set-user-id helper that mounts and unmounts FUSE filesystems for everybody.
#pragma once

#include <string>

#include "io/status.h"
#include "io/unique_fd.h"

namespace coral::fuse {

// `options` is a list for -o. On refusal `*message` is what the helper wrote to stderr.
Status MountByHelper(const std::string& options, const std::string& mountpoint, UniqueFd* device,
                     std::string* message);
Status UnmountByHelper(const std::string& mountpoint, bool lazy, std::string* message);

}  // namespace coral::fuse
