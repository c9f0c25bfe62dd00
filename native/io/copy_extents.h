// Walks a file as spans of data and holes.
#pragma once

#include <cstdint>

#include "io/status.h"

namespace coral {

struct Extent {
  uint64_t offset = 0;
  uint64_t length = 0;
  bool hole = false;
};

// The extent of `fd` that starts at `offset`, bounded by `size`; `offset` < `size`. Where the
// filesystem knows no holes everything is data. Moves the descriptor's own position, which nobody
// here uses.
Status ExtentAt(int fd, uint64_t offset, uint64_t size, Extent* extent);

}  // namespace coral
