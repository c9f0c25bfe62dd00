#include "content/byte_planes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace coral {

namespace {

static_assert(std::endian::native == std::endian::little, "planes are moved as whole words");

constexpr size_t kSamples = 4;
constexpr size_t kSampleBytes = 4096;
// Shorter data says too little about each of 4 planes.
constexpr size_t kLeastSample = 1024;
// Bits per byte that a split has to save: less is chance, or no floats.
constexpr double kWorthSplitting = 0.1;

using Histogram = std::array<uint32_t, 256>;

// The even bytes of a word, in its lower half.
uint64_t GatherEven(uint64_t word) {
  word &= 0x00FF00FF00FF00FF;
  word = (word | (word >> 8)) & 0x0000FFFF0000FFFF;
  return (word | (word >> 16)) & 0x00000000FFFFFFFF;
}

// The reverse: the lower four bytes, each at an even place.
uint64_t SpreadEven(uint64_t word) {
  word = (word | (word << 16)) & 0x0000FFFF0000FFFF;
  return (word | (word << 8)) & 0x00FF00FF00FF00FF;
}

template <typename Word>
Word Load(const uint8_t* from) {
  Word word;
  memcpy(&word, from, sizeof word);
  return word;
}

template <typename Word>
void Store(uint8_t* to, Word word) {
  memcpy(to, &word, sizeof word);
}

#ifdef __SSE2__

__m128i LoadVector(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

void StoreVector(uint8_t* to, __m128i vector) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), vector);
}

// The even bytes of two vectors, one after the other, and the odd ones.
__m128i EvenOf(__m128i low, __m128i high) {
  const auto mask = _mm_set1_epi16(0x00FF);
  return _mm_packus_epi16(_mm_and_si128(low, mask), _mm_and_si128(high, mask));
}

__m128i OddOf(__m128i low, __m128i high) {
  return _mm_packus_epi16(_mm_srli_epi16(low, 8), _mm_srli_epi16(high, 8));
}

// As the functions without "Vectors", in steps of 16. @returns how many of `count` are done.
size_t SplitInTwoVectors(const uint8_t* in, size_t count, uint8_t* even, uint8_t* odd) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const auto low = LoadVector(in + 2 * i), high = LoadVector(in + 2 * i + 16);
    StoreVector(even + i, EvenOf(low, high));
    StoreVector(odd + i, OddOf(low, high));
  }
  return i;
}

size_t SplitInFourVectors(const uint8_t* in, size_t count, uint8_t* out) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const auto part = [&](size_t number) { return LoadVector(in + 4 * i + 16 * number); };
    const auto a = part(0), b = part(1), c = part(2), d = part(3);
    const auto even = EvenOf(a, b), even_after = EvenOf(c, d);  // Planes 0 2 0 2.
    const auto odd = OddOf(a, b), odd_after = OddOf(c, d);      // Planes 1 3 1 3.
    StoreVector(out + i, EvenOf(even, even_after));
    StoreVector(out + count + i, EvenOf(odd, odd_after));
    StoreVector(out + 2 * count + i, OddOf(even, even_after));
    StoreVector(out + 3 * count + i, OddOf(odd, odd_after));
  }
  return i;
}

size_t JoinTwoVectors(const uint8_t* even, const uint8_t* odd, size_t count, uint8_t* out) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const auto a = LoadVector(even + i);
    const auto b = LoadVector(odd + i);
    StoreVector(out + 2 * i, _mm_unpacklo_epi8(a, b));
    StoreVector(out + 2 * i + 16, _mm_unpackhi_epi8(a, b));
  }
  return i;
}

size_t JoinFourVectors(const uint8_t* in, size_t count, uint8_t* out) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const auto plane = [&](size_t number) { return LoadVector(in + number * count + i); };
    const auto a = plane(0), b = plane(1), c = plane(2), d = plane(3);
    const auto low = _mm_unpacklo_epi8(a, b), low_after = _mm_unpacklo_epi8(c, d);
    const auto high = _mm_unpackhi_epi8(a, b), high_after = _mm_unpackhi_epi8(c, d);
    StoreVector(out + 4 * i, _mm_unpacklo_epi16(low, low_after));
    StoreVector(out + 4 * i + 16, _mm_unpackhi_epi16(low, low_after));
    StoreVector(out + 4 * i + 32, _mm_unpacklo_epi16(high, high_after));
    StoreVector(out + 4 * i + 48, _mm_unpackhi_epi16(high, high_after));
  }
  return i;
}

#else

size_t SplitInTwoVectors(const uint8_t*, size_t, uint8_t*, uint8_t*) { return 0; }
size_t SplitInFourVectors(const uint8_t*, size_t, uint8_t*) { return 0; }
size_t JoinTwoVectors(const uint8_t*, const uint8_t*, size_t, uint8_t*) { return 0; }
size_t JoinFourVectors(const uint8_t*, size_t, uint8_t*) { return 0; }

#endif

void SplitInTwo(const uint8_t* in, size_t count, uint8_t* even, uint8_t* odd) {
  size_t i = SplitInTwoVectors(in, count, even, odd);
  for (; i + 4 <= count; i += 4) {
    const auto word = Load<uint64_t>(in + 2 * i);
    Store(even + i, static_cast<uint32_t>(GatherEven(word)));
    Store(odd + i, static_cast<uint32_t>(GatherEven(word >> 8)));
  }
  for (; i < count; i++) {
    even[i] = in[2 * i];
    odd[i] = in[2 * i + 1];
  }
}

void SplitInFour(const uint8_t* in, size_t count, uint8_t* out) {
  size_t i = SplitInFourVectors(in, count, out);
  for (; i + 2 <= count; i += 2) {
    const auto word = Load<uint64_t>(in + 4 * i);
    const auto even = GatherEven(word);      // Planes 0 2 0 2.
    const auto odd = GatherEven(word >> 8);  // Planes 1 3 1 3.
    Store(out + i, static_cast<uint16_t>(GatherEven(even)));
    Store(out + count + i, static_cast<uint16_t>(GatherEven(odd)));
    Store(out + 2 * count + i, static_cast<uint16_t>(GatherEven(even >> 8)));
    Store(out + 3 * count + i, static_cast<uint16_t>(GatherEven(odd >> 8)));
  }
  for (; i < count; i++) {
    for (size_t plane = 0; plane < 4; plane++) out[plane * count + i] = in[4 * i + plane];
  }
}

void JoinTwo(const uint8_t* even, const uint8_t* odd, size_t count, uint8_t* out) {
  size_t i = JoinTwoVectors(even, odd, count, out);
  for (; i + 4 <= count; i += 4) {
    const auto word = SpreadEven(Load<uint32_t>(even + i)) | SpreadEven(Load<uint32_t>(odd + i))
                                                                 << 8;
    Store(out + 2 * i, word);
  }
  for (; i < count; i++) {
    out[2 * i] = even[i];
    out[2 * i + 1] = odd[i];
  }
}

void JoinFour(const uint8_t* in, size_t count, uint8_t* out) {
  size_t i = JoinFourVectors(in, count, out);
  for (; i + 2 <= count; i += 2) {
    const auto pair = [&](size_t plane) {
      return SpreadEven(Load<uint16_t>(in + plane * count + i));
    };
    const auto even = pair(0) | pair(2) << 8;
    const auto odd = pair(1) | pair(3) << 8;
    Store(out + 4 * i, SpreadEven(even) | SpreadEven(odd) << 8);
  }
  for (; i < count; i++) {
    for (size_t plane = 0; plane < 4; plane++) out[4 * i + plane] = in[plane * count + i];
  }
}

using CountTable = std::array<double, kSamples * kSampleBytes + 1>;

// n * log2(n) for every count that a sample can have.
const CountTable& CountTimesLog() {
  static const auto* table = [] {
    auto* values = new CountTable{};
    for (size_t n = 2; n < values->size(); n++) (*values)[n] = n * std::log2(n);
    return values;
  }();
  return *table;
}

// Bits that the bytes counted need by their order-0 entropy. Few bytes seem to need less than they
// do: Miller and Madow's correction, half a nat for each value but one.
double BitsOf(const Histogram& histogram) {
  const auto& count_times_log = CountTimesLog();
  uint32_t total = 0;
  uint32_t values = 0;
  double sum = 0;
  for (const auto count : histogram) {
    total += count;
    values += count > 0 ? 1 : 0;
    sum += count_times_log[count];
  }
  if (total == 0) return 0;
  return count_times_log[total] - sum + (values - 1) / (2 * std::log(2.0));
}

Histogram Sum(const Histogram& a, const Histogram& b) {
  Histogram sum;
  for (size_t i = 0; i < sum.size(); i++) sum[i] = a[i] + b[i];
  return sum;
}

// By the place of the byte modulo 4. @returns how many bytes were counted.
size_t CountSamples(const uint8_t* data, size_t length, std::array<Histogram, 4>& by_place) {
  const size_t sample = std::min(length / kSamples, kSampleBytes) & ~size_t{3};
  const size_t step = length / kSamples & ~size_t{3};
  for (size_t at = 0; at < kSamples * step; at += step) {
    for (size_t i = at; i < at + sample; i += 4) {
      for (size_t place = 0; place < 4; place++) by_place[place][data[i + place]]++;
    }
  }
  return kSamples * sample;
}

}  // namespace

void SplitPlanes(const uint8_t* in, size_t length, unsigned planes, uint8_t* out) {
  const size_t count = length / planes;
  if (planes == 2) SplitInTwo(in, count, out, out + count);
  if (planes == 4) SplitInFour(in, count, out);
  const size_t whole = planes > 1 ? count * planes : 0;
  memcpy(out + whole, in + whole, length - whole);
}

void JoinPlanes(const uint8_t* in, size_t length, unsigned planes, uint8_t* out) {
  const size_t count = length / planes;
  if (planes == 2) JoinTwo(in, in + count, count, out);
  if (planes == 4) JoinFour(in, count, out);
  const size_t whole = planes > 1 ? count * planes : 0;
  memcpy(out + whole, in + whole, length - whole);
}

ByteStatistics LookAtBytes(const uint8_t* data, size_t length) {
  if (length < kLeastSample) return {1, 0};
  std::array<Histogram, 4> by_place{};
  const double bytes = static_cast<double>(CountSamples(data, length, by_place));
  const auto even = Sum(by_place[0], by_place[2]);
  const auto odd = Sum(by_place[1], by_place[3]);
  const double one = BitsOf(Sum(even, odd)) / bytes;
  const double two = (BitsOf(even) + BitsOf(odd)) / bytes;
  double four = 0;
  for (const auto& place : by_place) four += BitsOf(place) / bytes;
  if (four < std::min(one, two) - kWorthSplitting) return {4, four};
  if (two < one - kWorthSplitting) return {2, two};
  return {1, one};
}

}  // namespace coral
