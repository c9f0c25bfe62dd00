// XXH3-64 for CPUs with AVX2: the same sums, in half the time of what every x86-64 can do.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coral {

bool HasAvx2();

// Only where HasAvx2.
uint64_t ChecksumAvx2(const void* data, size_t length);

}  // namespace coral
