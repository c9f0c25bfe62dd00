// A file that gets its name when it is whole, and leaves nothing behind where it does not.
#pragma once

#include <sys/types.h>

#include <string>

#include "io/status.h"
#include "io/unique_fd.h"

namespace coral {

class NewFile {
 public:
  NewFile() = default;
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Open for writing. Nothing has to stand under `path` yet. It may have `mode` from the start,
  // where nobody can open it before it has its name.
  Status Create(const std::string& path, mode_t mode);
  // EEXIST where something stands there.
  Status Publish();
  int fd() const { return fd_.get(); }

 private:
  Status CreateNamed();

  std::string path_;
  std::string part_;  // Empty where it has no name at all (O_TMPFILE).
  UniqueFd fd_;
};

}  // namespace coral
