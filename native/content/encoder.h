// Turns chunks into the payloads of records: decides how, by trying it on samples.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "content/pack_format.h"

namespace coral {

using Bytes = std::span<const uint8_t>;

struct Encoded {
  Codec codec = Codec::kAsIs;
  uint8_t planes = 0;                // As in RecordHeader.
  uint32_t length = 0;               // Bytes of the payload.
  std::shared_ptr<uint8_t> payload;  // Null where the chunk is stored as is.
};

// The payloads of a chain: the more chunks one frame has, the more of them was there before.
struct EncodedChain {
  std::vector<uint32_t> lengths;  // Of each payload, one behind the other.
  bool broken = false;            // The next chunk does not shrink.
  std::shared_ptr<uint8_t> payloads;
};

// For one run of neighbouring chunks, which mostly hold the same kind of data: what was best for
// one of them is done with those that follow and look alike.
class Encoder {
 public:
  // `level`: 0 stores everything as is, 1 to 19 are zstd's.
  explicit Encoder(int level) : level_(level) {}

  // Copies are matches alone: the bytes between them stay as they are.
  enum class Method { kAsIs, kEntropy, kMatches, kCopies };
  struct Choice {
    Method method = Method::kAsIs;
    unsigned planes = 1;

    bool operator==(const Choice&) const = default;
    // Such chunks gain from a chain.
    bool chains() const {
      return planes == 1 && (method == Method::kMatches || method == Method::kCopies);
    }
  };

  // Decides how to encode a chunk. Where that took encoding it, here it is.
  std::optional<Encoded> Choose(Bytes chunk);
  const Choice& choice() const { return choice_; }  // What was decided last.

  Encoded Encode(const Choice& choice, Bytes chunk) const;
  // Up to the first chunk that does not shrink: that one is not worth it, and breaks the chain.
  EncodedChain EncodeChain(const Choice& choice, std::span<const Bytes> chunks) const;

 private:
  Encoded Probe(unsigned planes, bool noise, Bytes chunk);

  const int level_;
  Choice choice_;               // What the last probe found best.
  unsigned probed_planes_ = 0;  // What its data looked like; 0 before the first.
  bool probed_noise_ = false;
};

}  // namespace coral
