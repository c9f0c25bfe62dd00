// Decoded chunks that a reader wanted only a part of: the next request wants the rest of them.
//
// Whole chunks are not kept, since the kernel keeps what it was given. A chunk that was read to its
// end in order is given up at once, so a sequential load cycles few, warm buffers.
#pragma once

#include <cstdint>
#include <memory>

namespace coral {

struct CachedChunk {
  std::shared_ptr<const uint8_t> data;
  uint32_t length = 0;
};

// Names a record: PackFile::id and its offset there.
struct ChunkKey {
  uint64_t pack = 0;
  uint64_t offset = 0;

  bool operator==(const ChunkKey&) const = default;
};

// All: any thread. One cache for the process, 64 MiB.
CachedChunk FindCached(const ChunkKey& key);
void Cache(const ChunkKey& key, CachedChunk chunk);
void DropCached(const ChunkKey& key);

}  // namespace coral
