// Gives what was copied the attributes of its original, as `cp -a` does.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "io/status.h"

namespace coral {

// A file, directory or other inode by descriptor, or by a path whose last step is not followed.
struct Node {
  int fd = -1;
  std::string path = {};  // Only where fd is -1.
  bool xattrs = true;     // False where it is known to have none; of the original.
};

struct KeptAttributes {
  bool all = true;  // False where the filesystem of the target can't store one of them.
};

// Owner, mode, extended attributes with ACLs and capabilities, then times. `original` is what
// `from` was when its copy began; `created` is `to` as it is. An owner that this process may not
// give is left, and with it go the set-id bits.
Status KeepAttributes(const Node& from, const struct stat& original, const Node& to,
                      const struct stat& created, KeptAttributes* kept);

struct Xattr {
  std::string name;
  std::vector<char> value;
};

// The extended attributes of an open file that this process may read.
Status ReadXattrs(int fd, std::vector<Xattr>* into);

}  // namespace coral
