// XXH3-128 over a stream of bytes, with runs of zeros hashed without a buffer of their own.
#pragma once

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "io/copy_bytes.h"

namespace coral {

class FileDigest {
 public:
  using Value = std::array<uint8_t, 16>;

  FileDigest() { XXH3_128bits_reset(&state_); }
  void Update(const void* data, size_t length) { XXH3_128bits_update(&state_, data, length); }
  void UpdateZeros(uint64_t length) {
    while (length > 0) {
      const auto step = std::min<uint64_t>(length, kZeroBlockSize);
      Update(ZeroBlock(), step);
      length -= step;
    }
  }
  // Big endian, as `xxhsum -H2` prints it.
  Value Finish() const {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_));
    Value value;
    std::copy_n(canonical.digest, value.size(), value.begin());
    return value;
  }

 private:
  XXH3_state_t state_;
};

}  // namespace coral
