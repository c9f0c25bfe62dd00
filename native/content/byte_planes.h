// Bytes of numbers, ordered by their place in the number.
//
// The high byte of a float (sign and exponent) repeats itself, the low ones are noise: side by side
// in one run each kind gets a code of its own, mixed they share one that suits neither.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coral {

// Byte i of `in` goes to plane i % planes; what is left behind the last whole number follows them.
// `out` takes `length` bytes and does not overlap `in`. Neither needs to start with a number: the
// planes only change places then.
void SplitPlanes(const uint8_t* in, size_t length, unsigned planes, uint8_t* out);
void JoinPlanes(const uint8_t* in, size_t length, unsigned planes, uint8_t* out);

// What a code for single bytes could do with some data.
struct ByteStatistics {
  unsigned planes = 1;       // 1, 2 or 4: into how many it is best split.
  double bits_per_byte = 8;  // The order-0 entropy, split like that.
};

// Looks at samples of the data, 16 KiB at most.
ByteStatistics LookAtBytes(const uint8_t* data, size_t length);

}  // namespace coral
