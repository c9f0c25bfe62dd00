// Limits of the content store that readers enforce on whatever lies on disk.
#pragma once

#include <cstdint>

namespace coral {

// Bytes of one chunk, decoded. A longer one on disk is damage, so no buffer is ever larger.
inline constexpr uint32_t kMaxChunk = 4u << 20;
// Shorter chunks would cost more in records and recipes than they save.
inline constexpr uint32_t kMinChunk = 64;
// Bytes of the chunks of a chain, decoded: the most that reading its last one takes.
inline constexpr uint32_t kMaxChain = 512u << 10;
// Bytes of its records.
inline constexpr uint32_t kMaxStoredChain = 2u << 20;
inline constexpr uint32_t kMaxChainRecords = 4096;
// By how much a payload in a chain may be longer than its chunk: zstd's headers of frame and
// blocks.
inline constexpr uint32_t kChainOverhead = 64;
static_assert(kMaxChain + kMaxChainRecords * (64 + kChainOverhead) <= kMaxStoredChain);
// Bytes of records that are read at once; the longest record is read alone.
inline constexpr uint64_t kMaxRun = kMaxChunk;

// Records of one pack: bounds what a damaged count can make a reader allocate.
inline constexpr uint32_t kMaxRecords = 1u << 22;

}  // namespace coral
