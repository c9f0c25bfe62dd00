// What is below a directory, a part at a time: names with their attributes, links not followed.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "io/status.h"

namespace coral {

struct TreeEntry {
  std::string name;
  struct stat attributes = {};
  int error = 0;  // Of the look at it: an errno, then there are no attributes.
};

// The next entries of the open directory, without `.` and `..`: some hundreds. `*last`: no more
// come. What is deleted meanwhile is left out. Moves the descriptor's position.
Status NextEntries(int directory, std::vector<TreeEntry>* entries, bool* last);

}  // namespace coral
