// SHA-256, the name of a chunk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace coral {

using Hash = std::array<uint8_t, 32>;

// Any thread.
Hash Sha256(const void* data, size_t length);

}  // namespace coral
