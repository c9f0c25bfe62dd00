#include "content/chunker.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "content/limits.h"

namespace coral {

namespace {

// Bits that the condition has more before, and fewer after, the average length.
constexpr int kNormalization = 2;
// Bytes that the gear hash depends on: older ones are shifted out.
constexpr size_t kWindow = 64;
static_assert(kMinChunk >= kWindow);

using GearTable = std::array<uint64_t, 256>;

// splitmix64 from a fixed seed. Zero bytes count 0, so that 64 zeros give hash 0, which is a cut
// where a long run of zeros follows: it then starts a chunk of its own soon after it begins.
constexpr GearTable MakeGearTable() {
  GearTable table = {};
  uint64_t state = 0x436F72616C526565;
  for (size_t i = 1; i < table.size(); i++) {
    state += 0x9E3779B97F4A7C15;
    uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    table[i] = mixed ^ (mixed >> 31);
  }
  return table;
}

constexpr GearTable kGear = MakeGearTable();

// The top bits: they depend on all of the last 64 bytes.
uint64_t MaskOf(uint32_t average, int extra) {
  const int bits = std::clamp(static_cast<int>(std::bit_width(average)) - 1 + extra, 1, 48);
  return ~uint64_t{0} << (64 - bits);
}

// First position in (from, to] after which `hash` meets `mask`, or 0. Updates `hash` to there, or
// to `to`.
size_t NextHit(const uint8_t* data, size_t from, size_t to, uint64_t mask, uint64_t& hash) {
  uint64_t h = hash;
  size_t i = from;
  const auto hit = [&](uint64_t value, size_t position) {
    hash = value;
    return position;
  };
  // What four bytes add is summed up by itself: from step to step the hash waits for one shift and
  // one addition.
  for (; i + 4 <= to; i += 4) {
    const uint64_t one = kGear[data[i]];
    const uint64_t two = (one << 1) + kGear[data[i + 1]];
    const uint64_t three = (two << 1) + kGear[data[i + 2]];
    const uint64_t four = (three << 1) + kGear[data[i + 3]];
    const uint64_t h1 = (h << 1) + one;
    const uint64_t h2 = (h << 2) + two;
    const uint64_t h3 = (h << 3) + three;
    h = (h << 4) + four;
    if ((h1 & mask) == 0) return hit(h1, i + 1);
    if ((h2 & mask) == 0) return hit(h2, i + 2);
    if ((h3 & mask) == 0) return hit(h3, i + 3);
    if ((h & mask) == 0) return hit(h, i + 4);
  }
  for (; i < to; i++) {
    h = (h << 1) + kGear[data[i]];
    if ((h & mask) != 0) continue;
    hash = h;
    return i + 1;
  }
  hash = h;
  return 0;
}

size_t LeadingZeros(const uint8_t* data, size_t size) {
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    memcpy(&word, data + i, sizeof word);
    if (word != 0) break;
  }
  while (i < size && data[i] == 0) i++;
  return i;
}

// The same, but a hash of 0 counts only before a run of zeros that becomes a chunk: the short runs
// of databases and programs would end a chunk each. `end`: where the chunk ends in any case.
size_t FindCut(const uint8_t* data, size_t from, size_t to, size_t end, uint32_t min, uint64_t mask,
               uint64_t& hash) {
  while (from < to) {
    const size_t hit = NextHit(data, from, to, mask, hash);
    if (hit == 0 || hash != 0) return hit;
    const size_t zeros = LeadingZeros(data + hit, std::min<size_t>(min, end - hit));
    if (zeros == min) return hit;
    // The hash stays 0 through them.
    from = std::min(hit + zeros, to);
  }
  return 0;
}

size_t DataCut(const uint8_t* data, size_t size, const ChunkLimits& limits) {
  const size_t end = std::min<size_t>(size, limits.max);
  if (end <= limits.min) return end;
  const size_t middle = std::min<size_t>(end, limits.average);
  // The hash sees the 64 bytes before the first possible cut, so that a cut depends on content
  // alone.
  size_t i = limits.min - kWindow;
  uint64_t hash = 0;
  for (; i < limits.min; i++) hash = (hash << 1) + kGear[data[i]];
  const auto strict = MaskOf(limits.average, kNormalization);
  if (const auto cut = FindCut(data, i, middle, end, limits.min, strict, hash)) return cut;
  const auto loose = MaskOf(limits.average, -kNormalization);
  if (const auto cut = FindCut(data, middle, end, end, limits.min, loose, hash)) return cut;
  return end;
}

}  // namespace

bool AreValid(const ChunkLimits& limits) {
  return limits.min >= kMinChunk && limits.min <= limits.average && limits.average <= limits.max &&
         limits.max <= kMaxChunk;
}

Cut FirstCut(const uint8_t* data, size_t size, const ChunkLimits& limits) {
  const size_t zeros = LeadingZeros(data, std::min<size_t>(size, limits.max));
  if (zeros >= limits.min || zeros == size) return {static_cast<uint32_t>(zeros), true};
  return {static_cast<uint32_t>(DataCut(data, size, limits)), false};
}

}  // namespace coral
