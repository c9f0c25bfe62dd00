#define ZSTD_STATIC_LINKING_ONLY  // Only for the name of ZSTD_c_literalCompressionMode.
#include "content/encoder.h"

#include <zstd.h>

#include <algorithm>
#include <bit>

#include "content/byte_planes.h"
#include "io/copy_buffer.h"

namespace coral {

namespace {

// A chunk that shrinks by less than 1/16 is not worth decoding at every read. Where that only takes
// copying, less is enough.
constexpr uint32_t kWorthwhile = 16;
constexpr uint32_t kWorthCopying = 64;
// What a search for repetitions has to save over a code for single bytes alone, which is made and
// undone faster.
constexpr uint32_t kWorthSearching = 64;
// With so many bits per byte only repetitions can help: noise, and what is compressed already.
constexpr double kNoise = 7.6;
// Where repetitions are rare a thorough search costs more than it finds.
constexpr int kRareLevel = 3;
// A chunk of fewer bytes does not end a chain, however badly it shrinks.
constexpr uint32_t kWorthBreaking = 4096;
constexpr int kChainLog = std::bit_width(kMaxChain) - 1;
// Planes repeat themselves by chance often in few bytes.
constexpr int kPlanesMinMatch = 7;
// zstd's fast strategy leaves out so much while it searches that it finds nothing.
constexpr int kNoSearch = ZSTD_TARGETLENGTH_MAX;

using Context = std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)>;

ZSTD_CCtx* FreshContext() {
  thread_local const Context context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  ZSTD_CCtx_reset(context.get(), ZSTD_reset_session_and_parameters);
  return context.get();
}

void SetForBytesOnly(ZSTD_CCtx* context) {
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_strategy, ZSTD_fast);
  ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, kPlanesMinMatch);
  ZSTD_CCtx_setParameter(context, ZSTD_c_targetLength, kNoSearch);
  ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, ZSTD_lcm_huffman);
}

void SetForMatches(ZSTD_CCtx* context, int level, unsigned planes) {
  if (planes > 1) {
    level = std::min(level, kRareLevel);
    ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, kPlanesMinMatch);
  }
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
}

void SetForCopies(ZSTD_CCtx* context, int level) {
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, std::min(level, kRareLevel));
  ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, ZSTD_lcm_uncompressed);
}

// One frame, in which a block ends at each end of a plane: blocks have codes of their own. Returns
// 0 where it did not fit.
size_t Compress(ZSTD_CCtx* context, const uint8_t* data, uint32_t length, unsigned planes,
                uint8_t* out, size_t capacity) {
  if (planes == 1) {
    const auto got = ZSTD_compress2(context, out, capacity, data, length);
    return ZSTD_isError(got) != 0 ? 0 : got;
  }
  ZSTD_CCtx_setPledgedSrcSize(context, length);
  ZSTD_outBuffer output{out, capacity, 0};
  const uint32_t plane = length / planes;
  for (unsigned i = 0; i < planes; i++) {
    const bool last = i + 1 == planes;
    ZSTD_inBuffer input{data + i * plane, last ? length - i * plane : plane, 0};
    const auto left =
        ZSTD_compressStream2(context, &output, &input, last ? ZSTD_e_end : ZSTD_e_flush);
    if (left != 0) return 0;
  }
  return output.pos;
}

uint32_t LessAShare(uint32_t length, uint32_t share) {
  return length - (length + share - 1) / share;
}

}  // namespace

std::optional<Encoded> Encoder::Choose(Bytes chunk) {
  if (level_ == 0) return std::nullopt;
  const auto look = LookAtBytes(chunk.data(), chunk.size());
  const bool noise = look.bits_per_byte >= kNoise;
  const bool alike = look.planes == probed_planes_ && noise == probed_noise_;
  if (!alike || (choice_.method == Method::kAsIs && !noise)) {
    return Probe(look.planes, noise, chunk);
  }
  return std::nullopt;
}

Encoded Encoder::Probe(unsigned planes, bool noise, Bytes chunk) {
  probed_planes_ = planes;
  probed_noise_ = noise;
  choice_ = {Method::kAsIs, 1};
  Encoded best{Codec::kAsIs, 0, static_cast<uint32_t>(chunk.size()), nullptr};
  const auto consider = [&](const Choice& choice, uint32_t margin) {
    auto encoded = Encode(choice, chunk);
    if (encoded.length >= best.length - margin) return;
    best = std::move(encoded);
    choice_ = choice;
  };
  if (!noise) {
    consider({Method::kEntropy, planes}, 0);
    consider({Method::kMatches, planes}, best.length / kWorthSearching);
    if (planes > 1) consider({Method::kMatches, 1}, best.length / kWorthSearching);
  }
  if (choice_.method == Method::kAsIs) consider({Method::kCopies, 1}, 0);
  return best;
}

Encoded Encoder::Encode(const Choice& choice, Bytes chunk) const {
  const auto* data = chunk.data();
  const auto length = static_cast<uint32_t>(chunk.size());
  const Encoded as_is{Codec::kAsIs, 0, length, nullptr};
  auto* context = FreshContext();
  switch (choice.method) {
    case Method::kAsIs:
      return as_is;
    case Method::kEntropy:
      SetForBytesOnly(context);
      break;
    case Method::kMatches:
      SetForMatches(context, level_, choice.planes);
      break;
    case Method::kCopies:
      SetForCopies(context, level_);
      break;
  }
  std::shared_ptr<uint8_t> split;
  if (choice.planes > 1) {
    split = TakeBuffer(length);
    SplitPlanes(data, length, choice.planes, split.get());
    data = split.get();
  }
  // Too small for a poor result.
  const bool copies = choice.method == Method::kCopies;
  const auto capacity = LessAShare(length, copies ? kWorthCopying : kWorthwhile);
  auto payload = TakeBuffer(capacity);
  const auto got = Compress(context, data, length, choice.planes, payload.get(), capacity);
  if (got == 0) return as_is;
  const auto planes = static_cast<uint8_t>(choice.planes > 1 ? choice.planes : 0);
  return {Codec::kZstd, planes, static_cast<uint32_t>(got), std::move(payload)};
}

EncodedChain Encoder::EncodeChain(const Choice& choice, std::span<const Bytes> chunks) const {
  EncodedChain chain;
  size_t bytes = 0;
  for (const auto& chunk : chunks) bytes += chunk.size();
  const auto capacity = ZSTD_compressBound(bytes) + chunks.size() * kChainOverhead;
  chain.payloads = TakeBuffer(capacity);
  const bool copies = choice.method == Method::kCopies;
  auto* context = FreshContext();
  if (copies) {
    SetForCopies(context, level_);
  } else {
    SetForMatches(context, level_, 1);
  }
  // The frame says how many bytes it has at most: what a reader needs room for.
  ZSTD_CCtx_setPledgedSrcSize(context, bytes);
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, kChainLog);
  ZSTD_outBuffer output{chain.payloads.get(), capacity, 0};
  for (const auto& chunk : chunks) {
    const auto start = output.pos;
    const auto length = static_cast<uint32_t>(chunk.size());
    ZSTD_inBuffer input{chunk.data(), length, 0};
    const bool done = ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush) == 0;
    const auto got = static_cast<uint32_t>(output.pos - start);
    // Few bytes would cost a chain of their own.
    const auto most = LessAShare(length, copies ? kWorthCopying : kWorthwhile);
    chain.broken = !done || (length >= kWorthBreaking && got > most);
    if (chain.broken) break;
    chain.lengths.push_back(got);
  }
  return chain;
}

}  // namespace coral
