// Makes chunks ready for a pack: everything about a record but its place.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "content/chunk_reader.h"
#include "content/pack_format.h"
#include "io/status.h"

namespace coral {

struct EncodedChunk {
  RecordHeader header;
  const uint8_t* payload = nullptr;
  std::shared_ptr<const void> owner;  // What holds the payload.
};

// Encodes the chunks of `batch` named by `indexes`, in that order, several at a time. `level` 0
// stores as is, 1 to 19 are zstd's. EINVAL where an index names no chunk, or one of zeros.
Status EncodeChunks(const std::shared_ptr<const ChunkBatch>& batch,
                    const std::vector<uint32_t>& indexes, int level,
                    std::vector<EncodedChunk>* encoded);

}  // namespace coral
