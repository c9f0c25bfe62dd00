// Where the bytes of a file lie on its filesystem, as FIEMAP tells it.
#pragma once

#include <cstdint>
#include <vector>

#include "io/status.h"

namespace coral {

struct Place {
  uint64_t offset = 0;  // In the file.
  uint64_t length = 0;
  uint64_t physical = 0;
  bool fixed = false;   // Allocated, so that `physical` says something.
  bool shared = false;  // Other files have it too.
};

// What overlaps the range, ascending; holes are left out. What is dirty in the page cache may have
// no place yet. EOPNOTSUPP where the filesystem can't tell.
Status PlacesOf(int fd, uint64_t offset, uint64_t length, std::vector<Place>* places);

// Bytes that other files have too, in whole blocks.
uint64_t SharedIn(const std::vector<Place>& places);

}  // namespace coral
