// Writes files of a group elsewhere, all of them in one step.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "content/file_group.h"
#include "io/copy_control.h"
#include "io/status.h"
#include "io/unique_fd.h"

namespace coral {

struct FileCopy {
  size_t file;  // Its number in the group.
  std::string path;
  std::string label;  // Value of an extended attribute.
  timespec times[2];  // Of the last access and the last change.
  int error = 0;  // Why there is no good copy; what is at `path` then is for the caller to remove.
  uint64_t blocks = 0;  // Of 512 bytes.
  UniqueFd fd;          // While it is being made.
};

// Writes the copies, gives each the attribute `label_name` where its filesystem takes one, makes
// them durable (their entries in the directory are not) and reads each back from the medium. On a
// thread that may wait for the background rate. ECANCELED; what befalls one copy is its `error`.
Status WriteCopies(const FileGroup& group, const std::string& label_name, CopyControl& control,
                   std::vector<FileCopy>& copies);

}  // namespace coral
