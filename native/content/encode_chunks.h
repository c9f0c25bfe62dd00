// Makes chunks ready for a pack: everything about a record but its place.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
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

// How chunks are stored. `level` 0 stores as is, 1 to 19 are zstd's. Those that repeat themselves
// are chained, up to `chain` bytes (decoded; kMaxChain at most, 0 for not at all): the longer the
// chains the less is stored, and the more has to be decoded for a few bytes.
struct Encoding {
  int level = 0;
  uint32_t chain = 0;
};

// Encodes the chunks of `batch` named by `indexes`, in that order, several at a time. They have to
// go into one pack side by side. EINVAL where an index names no chunk, or one of zeros.
Status EncodeChunks(const std::shared_ptr<const ChunkBatch>& batch,
                    const std::vector<uint32_t>& indexes, const Encoding& encoding,
                    std::vector<EncodedChunk>* encoded);

// A chunk that is to be stored again.
struct DecodedChunk {
  Hash hash;
  std::span<const uint8_t> data;
  std::shared_ptr<const void> owner;
};

// Chunks of a chain that is broken up, kMaxChain at most, at a level that is never slow.
std::vector<EncodedChunk> EncodeAgain(const std::vector<DecodedChunk>& chunks);

}  // namespace coral
