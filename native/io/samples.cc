#include "io/samples.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "io/copy_bytes.h"
#include "io/file_map.h"

namespace coral {

namespace {

constexpr size_t kBlock = 4096;
constexpr uint64_t kExactInDouble = (uint64_t{1} << 53) - 1;

uint64_t HashOf(const uint8_t* data, size_t length) {
  if (memcmp(data, ZeroBlock(), length) == 0) return 0;
  return std::max<uint64_t>(XXH3_64bits(data, length) & kExactInDouble, 1);
}

uint64_t PhysicalAt(const std::vector<Place>& places, uint64_t offset) {
  const auto after =
      std::upper_bound(places.begin(), places.end(), offset,
                       [](uint64_t wanted, const Place& place) { return wanted < place.offset; });
  if (after == places.begin()) return 0;
  const auto& place = *std::prev(after);
  if (!place.fixed || offset - place.offset >= place.length) return 0;
  return place.physical + (offset - place.offset);
}

Status Take(int fd, uint64_t offset, uint64_t* hash) {
  uint8_t block[kBlock];
  size_t got = 0;
  auto status = ReadAt(fd, block, kBlock, offset, &got);
  if (status.ok()) *hash = HashOf(block, got);
  return status;
}

}  // namespace

Status SampleFile(int fd, FileSamples* samples) {
  struct stat attributes;
  if (fstat(fd, &attributes) != 0) return Status::FromErrno("fstat");
  std::vector<Place> places;
  auto status = PlacesOf(fd, 0, std::numeric_limits<uint64_t>::max(), &places);
  samples->shared = SharedIn(places);
  // What lies around the samples is not worth reading.
  posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  const uint64_t step = static_cast<uint64_t>(attributes.st_size) / kSamples;
  for (size_t i = 0; status.ok() && i < kSamples; i++) {
    const uint64_t offset = (step * i + step / 2) / kBlock * kBlock;
    samples->places[i] = PhysicalAt(places, offset);
    status = Take(fd, offset, &samples->hashes[i]);
  }
  return status;
}

}  // namespace coral
