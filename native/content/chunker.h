// Cuts bytes into content-defined chunks: the same bytes give the same cuts, wherever they lie in a
// file.
//
// FastCDC's scheme: a gear hash over the last 64 bytes, `min` bytes skipped after each cut, a
// stricter condition before the average length and a looser one after it. Runs of zeros are chunks
// of their own. The cuts are part of the format: other cuts find no duplicates of what is stored.
// See src/content/README.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coral {

// Bytes. kMinChunk <= min <= average <= max <= kMaxChunk.
struct ChunkLimits {
  uint32_t min;
  uint32_t average;
  uint32_t max;
};

bool AreValid(const ChunkLimits& limits);

struct Cut {
  uint32_t length = 0;
  bool zero = false;  // Nothing but zeros.
};

// The first chunk of `data`. Give at least `limits.max` bytes, or all that is left of the file.
Cut FirstCut(const uint8_t* data, size_t size, const ChunkLimits& limits);

}  // namespace coral
