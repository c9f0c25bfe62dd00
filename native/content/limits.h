// Limits of the content store that readers enforce on whatever lies on disk.
#pragma once

#include <cstdint>

namespace coral {

// Bytes of one chunk, decoded. A longer one on disk is damage, so no buffer is ever larger.
inline constexpr uint32_t kMaxChunk = 4u << 20;
// Shorter chunks would cost more in records and recipes than they save.
inline constexpr uint32_t kMinChunk = 64;
// Bytes of records that are read at once; the longest record is read alone.
inline constexpr uint64_t kMaxRun = kMaxChunk;

// Records of one pack: bounds what a damaged count can make a reader allocate.
inline constexpr uint32_t kMaxRecords = 1u << 22;

}  // namespace coral
