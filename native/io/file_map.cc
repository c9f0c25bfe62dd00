#include "io/file_map.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <limits>

namespace coral {

namespace {

constexpr unsigned kBatch = 256;
// A compressed extent (ENCODED) has a place: it can be shared as a whole.
constexpr unsigned kNotFixed =
    FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_NOT_ALIGNED;

Place PlaceOf(const fiemap_extent& extent) {
  return {extent.fe_logical, extent.fe_length, extent.fe_physical,
          (extent.fe_flags & kNotFixed) == 0, (extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0};
}

}  // namespace

Status PlacesOf(int fd, uint64_t offset, uint64_t length, std::vector<Place>* places) {
  places->clear();
  std::vector<uint8_t> memory(sizeof(fiemap) + kBatch * sizeof(fiemap_extent));
  auto* map = reinterpret_cast<fiemap*>(memory.data());
  const uint64_t end =
      length > std::numeric_limits<uint64_t>::max() - offset ? FIEMAP_MAX_OFFSET : offset + length;
  while (offset < end) {
    std::fill(memory.begin(), memory.end(), 0);
    map->fm_start = offset;
    map->fm_length = end - offset;
    map->fm_extent_count = kBatch;
    if (ioctl(fd, FS_IOC_FIEMAP, map) != 0) return Status::FromErrno("ioctl(FIEMAP)");
    for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
      places->push_back(PlaceOf(map->fm_extents[i]));
      if ((map->fm_extents[i].fe_flags & FIEMAP_EXTENT_LAST) != 0) return Status::Ok();
    }
    if (map->fm_mapped_extents == 0) return Status::Ok();
    offset = std::max(offset, places->back().offset + places->back().length);
  }
  return Status::Ok();
}

uint64_t SharedIn(const std::vector<Place>& places) {
  uint64_t bytes = 0;
  for (const auto& place : places) {
    if (place.shared) bytes += place.length;
  }
  return bytes;
}

}  // namespace coral
