#include "content/encode_chunks.h"

#include <algorithm>

#include "content/encoder.h"
#include "content/parallel.h"

namespace coral {

namespace {

// Chunks that share an encoder, at least: one is tried out in several ways for the others.
constexpr size_t kRun = 16;
constexpr int kAgainLevel = 3;

EncodedChunk Made(const DecodedChunk& chunk, Encoded encoded) {
  EncodedChunk made;
  made.header = {encoded.codec, encoded.planes, static_cast<uint32_t>(chunk.data.size()),
                 encoded.length, chunk.hash};
  if (encoded.payload == nullptr) {
    made.payload = chunk.data.data();
    made.owner = chunk.owner;
  } else {
    made.payload = encoded.payload.get();
    made.owner = std::move(encoded.payload);
  }
  made.header.checksum = Checksum(made.payload, encoded.length);
  return made;
}

// Encodes neighbouring chunks, in their order.
class RunEncoder {
 public:
  RunEncoder(const Encoding& encoding, EncodedChunk* out)
      : chain_bytes_(encoding.chain), encoder_(encoding.level), out_(out) {}

  void Add(DecodedChunk chunk) {
    const auto length = chunk.data.size();
    const bool fits = waiting_bytes_ + length <= chain_bytes_ && waiting_.size() < kMaxChainRecords;
    if (!fits) Finish();
    auto encoded = encoder_.Choose(chunk.data);
    const auto choice = encoder_.choice();
    if (!waiting_.empty() && choice != choice_) Finish();
    if (choice.chains() && length <= chain_bytes_) {
      choice_ = choice;
      waiting_bytes_ += length;
      waiting_.push_back(std::move(chunk));
    } else {
      Put(chunk, encoded ? std::move(*encoded) : encoder_.Encode(choice, chunk.data));
    }
  }

  // Puts what waits for its chain.
  void Finish() {
    for (auto left = Chunks(waiting_); !left.empty();) {
      left = left.size() > 1 ? PutChain(left) : PutAlone(left);
    }
    waiting_.clear();
    waiting_bytes_ = 0;
  }

 private:
  using Chunks = std::span<const DecodedChunk>;

  void Put(const DecodedChunk& chunk, Encoded encoded) {
    *out_++ = Made(chunk, std::move(encoded));
  }

  // Both put some of the chunks and return the rest.
  Chunks PutAlone(Chunks chunks) {
    Put(chunks.front(), encoder_.Encode(choice_, chunks.front().data));
    return chunks.subspan(1);
  }

  Chunks PutChain(Chunks chunks) {
    std::vector<Bytes> data;
    for (const auto& chunk : chunks) data.push_back(chunk.data);
    const auto chain = encoder_.EncodeChain(choice_, data);
    if (chain.lengths.size() == 1) {
      PutAlone(chunks);
    } else {
      PutRecords(chunks, chain);
    }
    chunks = chunks.subspan(chain.lengths.size());
    if (!chain.broken) return chunks;
    const auto length = static_cast<uint32_t>(chunks.front().data.size());
    Put(chunks.front(), {Codec::kAsIs, 0, length, nullptr});
    return chunks.subspan(1);
  }

  void PutRecords(Chunks chunks, const EncodedChain& chain) {
    const uint8_t* payload = chain.payloads.get();
    uint32_t before = 0;
    for (size_t i = 0; i < chain.lengths.size(); i++) {
      RecordHeader header{Codec::kChain, 0, static_cast<uint32_t>(chunks[i].data.size()),
                          chain.lengths[i], chunks[i].hash};
      header.checksum = Checksum(payload, header.payload);
      header.before = before;
      *out_++ = {header, payload, chain.payloads};
      payload += header.payload;
      before += header.stored();
    }
  }

  const uint32_t chain_bytes_;
  Encoder encoder_;
  EncodedChunk* out_;
  std::vector<DecodedChunk> waiting_;  // For the end of their chain.
  size_t waiting_bytes_ = 0;
  Encoder::Choice choice_;  // How they are to be encoded.
};

// Where the runs begin, and the end. A run has to have room for a chain.
std::vector<size_t> Runs(const ChunkBatch& batch, const std::vector<uint32_t>& indexes,
                         uint32_t chain) {
  std::vector<size_t> starts{0};
  uint64_t bytes = 0;
  for (size_t n = 0; n < indexes.size(); n++) {
    if (n - starts.back() >= kRun && bytes >= chain) {
      starts.push_back(n);
      bytes = 0;
    }
    bytes += batch.lengths[indexes[n]];
  }
  starts.push_back(indexes.size());
  return starts;
}

}  // namespace

Status EncodeChunks(const std::shared_ptr<const ChunkBatch>& batch,
                    const std::vector<uint32_t>& indexes, const Encoding& encoding,
                    std::vector<EncodedChunk>* encoded) {
  for (const auto i : indexes) {
    if (i >= batch->count() || batch->zero[i] != 0) return Status::Error(EINVAL, "encode");
  }
  encoded->resize(indexes.size());
  const auto runs = Runs(*batch, indexes, encoding.chain);
  auto& pool = WorkerPool::Background();
  // Chunks that are not compressed are only looked at.
  ParallelFor(pool, encoding.level > 0 ? pool.size() - 1 : 0, runs.size() - 1, [&](size_t run) {
    RunEncoder encoder(encoding, encoded->data() + runs[run]);
    for (size_t n = runs[run]; n < runs[run + 1]; n++) {
      const auto i = indexes[n];
      encoder.Add({batch->hashes[i], {batch->chunk(i), batch->lengths[i]}, batch});
    }
    encoder.Finish();
  });
  return Status::Ok();
}

std::vector<EncodedChunk> EncodeAgain(const std::vector<DecodedChunk>& chunks) {
  std::vector<EncodedChunk> encoded(chunks.size());
  RunEncoder encoder({kAgainLevel, kMaxChain}, encoded.data());
  for (const auto& chunk : chunks) encoder.Add(chunk);
  encoder.Finish();
  return encoded;
}

}  // namespace coral
