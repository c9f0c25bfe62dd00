#define ZSTD_STATIC_LINKING_ONLY  // Only for the name of ZSTD_d_stableOutBuffer.
#include "content/chain.h"

#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "content/pack_file.h"
#include "content/record_cache.h"
#include "io/copy_buffer.h"

namespace coral {

namespace {

// As much as the chunk cache has: small files are also read in another order than their chains
// have.
constexpr size_t kKeptBytes = 64 << 20;
// Each that is not decoded to its end also has a context, a quarter of a megabyte: 64 MiB more at
// most. To count these would halve what is kept, and have small files decoded again and again.
constexpr size_t kKeptChains = 256;

std::mutex kept_mutex;
// By the first record; guarded by kept_mutex; never destroyed, since pool threads outlive main
auto& kept = *new RecordCache<std::shared_ptr<SharedChain>>(kKeptBytes, kKeptChains);

// How many bytes a chain has at most, by its first payload; 0 where that is none, or too many.
// Frames of formats before 1.0, which zstd may know too and holds to no limit, are none.
size_t BytesOfFrame(const uint8_t* payload, uint32_t length) {
  uint32_t magic = 0;
  if (length < sizeof magic) return 0;
  memcpy(&magic, payload, sizeof magic);
  if (magic != ZSTD_MAGICNUMBER) return 0;
  const auto bytes = ZSTD_getFrameContentSize(payload, length);
  return bytes <= kMaxChain ? bytes : 0;
}

// Making a context costs as much as decoding a chunk.
constexpr size_t kSpareContexts = 8;

std::mutex contexts_mutex;
// guarded by contexts_mutex; never destroyed
auto& spare_contexts = *new std::vector<ZSTD_DCtx*>;

void GiveBack(ZSTD_DCtx* context) {
  {
    std::lock_guard lock(contexts_mutex);
    if (spare_contexts.size() < kSpareContexts) {
      spare_contexts.push_back(context);
      return;
    }
  }
  ZSTD_freeDCtx(context);
}

// Blocks are decoded to where they belong: the output is the window.
std::shared_ptr<void> FreshContext() {
  ZSTD_DCtx* context = nullptr;
  {
    std::lock_guard lock(contexts_mutex);
    if (!spare_contexts.empty()) {
      context = spare_contexts.back();
      spare_contexts.pop_back();
    }
  }
  if (context == nullptr) context = ZSTD_createDCtx();
  ZSTD_DCtx_reset(context, ZSTD_reset_session_and_parameters);
  ZSTD_DCtx_setParameter(context, ZSTD_d_stableOutBuffer, 1);
  ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, std::bit_width(kMaxChain) - 1);
  return {context, &GiveBack};
}

}  // namespace

bool ChainDecoder::Append(const RecordHeader& header, uint64_t offset, const uint8_t* payload) {
  if (broken_ || !Follows(header, offset)) return false;
  if (capacity_ == 0) {
    capacity_ = BytesOfFrame(payload, header.payload);
    if (capacity_ == 0) return false;
    context_ = FreshContext();
    data_ = TakeBuffer(capacity_);
  }
  if (header.length > capacity_ - filled_) return false;
  ZSTD_outBuffer output{data_.get(), capacity_, filled_};
  ZSTD_inBuffer input{payload, header.payload, 0};
  size_t left = 1;
  size_t before = 0;
  do {
    before = input.pos;
    left = ZSTD_decompressStream(static_cast<ZSTD_DCtx*>(context_.get()), &output, &input);
  } while (ZSTD_isError(left) == 0 && left != 0 && input.pos < input.size && input.pos > before);
  // A frame that ends is no chain.
  broken_ = ZSTD_isError(left) != 0 || left == 0 || input.pos < input.size ||
            output.pos != filled_ + header.length;
  if (broken_) return false;
  parts_.push_back({offset, static_cast<uint32_t>(filled_), header.length});
  filled_ = output.pos;
  next_ = offset + header.stored();
  if (filled_ == capacity_) context_.reset();
  return true;
}

bool ChainDecoder::AppendAll(const uint8_t* bytes, uint64_t end, uint64_t seed) {
  while (next_ < end) {
    RecordHeader header;
    const auto offset = next_;
    if (end - offset <= kRecordHeaderSize || !DecodeRecordHeader(bytes, seed, offset, &header) ||
        header.stored() > end - offset || !PayloadIsGood(header, bytes + kRecordHeaderSize) ||
        !Append(header, offset, bytes + kRecordHeaderSize)) {
      return false;
    }
    bytes += header.stored();
  }
  return next_ == end;
}

const uint8_t* ChainDecoder::Find(uint64_t offset, uint32_t length) const {
  const auto found =
      std::lower_bound(parts_.begin(), parts_.end(), offset,
                       [](const Part& part, uint64_t wanted) { return part.offset < wanted; });
  const bool known = found != parts_.end() && found->offset == offset && found->length == length;
  return known ? data_.get() + found->start : nullptr;
}

std::shared_ptr<SharedChain> ChainAt(uint64_t pack, uint64_t start) {
  const RecordKey key{pack, start};
  std::lock_guard lock(kept_mutex);
  if (const auto* found = kept.Find(key)) return *found;
  auto chain = std::make_shared<SharedChain>(start);
  kept.Put(key, chain, 0);
  return chain;
}

void ChargeChain(uint64_t pack, const ChainDecoder& chain) {
  std::lock_guard lock(kept_mutex);
  kept.Resize({pack, chain.start()}, chain.capacity());
}

void DropChain(uint64_t pack, uint64_t start) {
  std::lock_guard lock(kept_mutex);
  kept.Drop({pack, start});
}

}  // namespace coral
