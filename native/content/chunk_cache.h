// Decoded chunks that a reader wanted only a part of: the next request wants the rest of them.
//
// Whole chunks are not kept, since the kernel keeps what it was given. A chunk that was read to its
// end in order is given up at once, so a sequential load cycles few, warm buffers.
#pragma once

#include <cstdint>
#include <memory>

#include "content/record_cache.h"

namespace coral {

struct CachedChunk {
  std::shared_ptr<const uint8_t> data;
  uint32_t length = 0;
};

// All: any thread. One cache for the process, 64 MiB.
CachedChunk FindCached(const RecordKey& key);
void Cache(const RecordKey& key, CachedChunk chunk);
void DropCached(const RecordKey& key);

}  // namespace coral
