// The kernel's part in sharing: it compares two ranges with both files locked, and gives them one
// place where they are equal (FIDEDUPERANGE, ioctl_fideduperange(2)).
#pragma once

#include <cstdint>
#include <string>

#include "io/status.h"

namespace coral {

// As much as one call takes on every filesystem.
inline constexpr uint64_t kDedupeLimit = 16 << 20;

struct FilePair {
  int source;
  int target;
  uint64_t block = 4096;  // What is shared begins and ends at multiples of it, or at the end.
  uint64_t size = 0;      // Of both: bytes beyond the shorter one have no counterpart.
};

Status MeasurePair(int source, int target, FilePair* pair);

// From here on the target uses the source's blocks from `begin`, a multiple of the block size, to
// `end`. Stops where the files differ by now. Adds to `*shared` what takes no space of its own any
// more.
Status Dedupe(const FilePair& pair, uint64_t begin, uint64_t end, uint64_t* shared);

// Whether files in `directory` can share blocks, found by trying it on files without a name.
bool CanShareIn(const std::string& directory);

}  // namespace coral
