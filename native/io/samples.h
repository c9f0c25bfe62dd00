// A few blocks of a file, hashed: whether two files of one length may have bytes in common, for the
// price of reading next to nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "io/status.h"

namespace coral {

inline constexpr size_t kSamples = 32;

// The samples of files of one length are taken at the same offsets.
struct FileSamples {
  // Hashes of 53 bits; 0 for a block of zeros, which says nothing.
  std::array<uint64_t, kSamples> hashes = {};
  // Where each lies on the filesystem; 0 where that can't be said.
  std::array<uint64_t, kSamples> places = {};
  // Bytes of the file that other files have too.
  uint64_t shared = 0;
};

// Not held up by the background rate: so little is read that a pause need not keep the file open.
Status SampleFile(int fd, FileSamples* samples);

}  // namespace coral
