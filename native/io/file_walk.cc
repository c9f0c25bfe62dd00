#include "io/file_walk.h"

#include <algorithm>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_extents.h"
#include "io/copy_rate.h"

namespace coral {

namespace {

constexpr size_t kStep = 1 << 20;
constexpr uint64_t kHoleStep = 1 << 30;  // Bounds the time until a cancel is seen.

// `*end` is that of the data, and becomes that of the file where this is shorter.
Status WalkData(FileWalk& walk, uint64_t* end, uint8_t* buffer, const WalkSink& sink) {
  while (walk.position < *end) {
    const auto want = static_cast<size_t>(std::min<uint64_t>(kStep, *end - walk.position));
    auto status = PassBackground(want, &walk.control);
    if (!status.ok()) return status;
    size_t got = 0;
    status = ReadAt(walk.fd, buffer, want, walk.position, &got);
    if (!status.ok()) return status;
    if (got < want) *end = walk.position + got;
    if (got == 0) break;
    walk.digest.Update(buffer, got);
    if (sink) status = sink(buffer, got, walk.position);
    if (!status.ok()) return status;
    walk.position += got;
    walk.control.Add(got);
  }
  return Status::Ok();
}

}  // namespace

Status WalkTo(FileWalk& walk, uint64_t* end, const WalkSink& sink) {
  const auto buffer = TakeBuffer(kStep);
  while (walk.position < *end) {
    if (walk.control.cancelled()) return Status::Error(ECANCELED, "copy");
    Extent extent;
    auto status = ExtentAt(walk.fd, walk.position, *end, &extent);
    if (!status.ok()) return status;
    if (extent.hole) {
      extent.length = std::min(extent.length, kHoleStep);
      walk.digest.UpdateZeros(extent.length);
      walk.position += extent.length;
      walk.control.Add(extent.length);
      continue;
    }
    const uint64_t data_end = extent.offset + extent.length;
    uint64_t found = data_end;
    status = WalkData(walk, &found, buffer.get(), sink);
    if (!status.ok()) return status;
    if (found < data_end) *end = found;
  }
  return Status::Ok();
}

}  // namespace coral
