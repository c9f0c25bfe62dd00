#include "content/encode_chunks.h"

#include <algorithm>

#include "content/encoder.h"
#include "content/parallel.h"

namespace coral {

namespace {

constexpr unsigned kHelpers = 1;
// Chunks that share an encoder: one is tried out in several ways for the others.
constexpr size_t kRun = 16;

EncodedChunk EncodeOne(Encoder& encoder, const std::shared_ptr<const ChunkBatch>& batch,
                       size_t chunk) {
  auto encoded = encoder.Encode(batch->chunk(chunk), batch->lengths[chunk]);
  EncodedChunk made;
  made.header = {encoded.codec, encoded.planes, batch->lengths[chunk], encoded.length,
                 batch->hashes[chunk]};
  if (encoded.payload == nullptr) {
    made.payload = batch->chunk(chunk);
    made.owner = batch;
  } else {
    made.payload = encoded.payload.get();
    made.owner = std::move(encoded.payload);
  }
  made.header.checksum = Checksum(made.payload, encoded.length);
  return made;
}

}  // namespace

Status EncodeChunks(const std::shared_ptr<const ChunkBatch>& batch,
                    const std::vector<uint32_t>& indexes, int level,
                    std::vector<EncodedChunk>* encoded) {
  for (const auto i : indexes) {
    if (i >= batch->count() || batch->zero[i] != 0) return Status::Error(EINVAL, "encode");
  }
  encoded->resize(indexes.size());
  const size_t runs = (indexes.size() + kRun - 1) / kRun;
  ParallelFor(WorkerPool::Background(), level > 0 ? kHelpers : 0, runs, [&](size_t run) {
    Encoder encoder(level);
    const size_t end = std::min((run + 1) * kRun, indexes.size());
    for (size_t n = run * kRun; n < end; n++) {
      (*encoded)[n] = EncodeOne(encoder, batch, indexes[n]);
    }
  });
  return Status::Ok();
}

}  // namespace coral
