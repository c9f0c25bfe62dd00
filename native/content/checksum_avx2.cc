#include "content/checksum_avx2.h"

namespace coral {

bool HasAvx2() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

}  // namespace coral

#ifdef __x86_64__
// From here on: xxhash.h chooses by what the compiler may use, and all of it is static.
#pragma GCC target("avx2")
#endif
#include <xxhash.h>

namespace coral {

uint64_t ChecksumAvx2(const void* data, size_t length) { return XXH3_64bits(data, length); }

}  // namespace coral
