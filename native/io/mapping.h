// What a process has mapped of a file that it only reads through the mapping.
#pragma once

#include <string>

#include "io/status.h"

namespace coral::io {

// Takes the pages of this process's mappings of `path` from its resident memory. They stay in the
// page cache, and come back as they are touched.
Status ReleaseMappings(const std::string& path);

}  // namespace coral::io
