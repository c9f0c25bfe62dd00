#include "io/mapping.h"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>

namespace coral::io {

namespace {

// A line of /proc/self/maps ends with the path, after the address range and four more fields.
bool IsOf(const std::string& line, const std::string& path) {
  return line.size() > path.size() && line.ends_with(path) &&
         line[line.size() - path.size() - 1] == ' ';
}

}  // namespace

Status ReleaseMappings(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  if (!maps) return Status::FromErrno("open", "/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t start = 0;
    uintptr_t end = 0;
    char shared = 0;
    const int fields =
        sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %*c%*c%*c%c", &start, &end, &shared);
    // Of a private mapping this would throw changes away.
    if (fields != 3 || shared != 's' || !IsOf(line, path)) continue;
    if (madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED) != 0) {
      return Status::FromErrno("madvise", path);
    }
  }
  return Status::Ok();
}

}  // namespace coral::io
