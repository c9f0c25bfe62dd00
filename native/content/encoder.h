// Turns chunks into the payloads of records: decides how, by trying it on samples.
#pragma once

#include <cstdint>
#include <memory>

#include "content/pack_format.h"

namespace coral {

struct Encoded {
  Codec codec = Codec::kAsIs;
  uint8_t planes = 0;                // As in RecordHeader.
  uint32_t length = 0;               // Bytes of the payload.
  std::shared_ptr<uint8_t> payload;  // Null where the chunk is stored as is.
};

// For one run of neighbouring chunks, which mostly hold the same kind of data: what was best for
// one of them is done with those that follow and look alike.
class Encoder {
 public:
  // `level`: 0 stores everything as is, 1 to 19 are zstd's.
  explicit Encoder(int level) : level_(level) {}

  Encoded Encode(const uint8_t* data, uint32_t length);

 private:
  // Copies are matches alone: the bytes between them stay as they are.
  enum class Method { kAsIs, kEntropy, kMatches, kCopies };
  struct Choice {
    Method method = Method::kAsIs;
    unsigned planes = 1;
  };

  Encoded Try(const Choice& choice, const uint8_t* data, uint32_t length) const;
  Encoded Probe(unsigned planes, bool noise, const uint8_t* data, uint32_t length);

  const int level_;
  Choice choice_;               // What the last probe found best.
  unsigned probed_planes_ = 0;  // What its data looked like; 0 before the first.
  bool probed_noise_ = false;
};

}  // namespace coral
