#include "io/copy_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_extents.h"
#include "io/copy_rate.h"
#include "io/copy_writeback.h"
#include "io/residence.h"

namespace coral {

namespace {

constexpr size_t kStep = 1 << 20;
constexpr uint64_t kHoleStep = 1 << 30;  // Bounds the time until a cancel is seen.
// How much of a file that is in use is out of memory at a time while it is checked.
constexpr uint64_t kCheckWindow = 16 << 20;

// Called for each step of data; holes are not reported.
using Sink = std::function<Status(uint8_t* data, size_t length, uint64_t offset)>;

struct Walk {
  int fd;
  CopyControl& control;
  FileDigest digest;
  uint64_t size = 0;      // Shrinks where the file turns out to be shorter.
  uint64_t position = 0;  // Everything before it is done.
};

Status WalkData(Walk& walk, uint64_t end, uint8_t* buffer, const Sink& sink) {
  while (walk.position < end) {
    const auto want = static_cast<size_t>(std::min<uint64_t>(kStep, end - walk.position));
    auto status = PassBackground(want, &walk.control);
    if (!status.ok()) return status;
    size_t got = 0;
    status = ReadAt(walk.fd, buffer, want, walk.position, &got);
    if (!status.ok()) return status;
    if (got < want) walk.size = end = walk.position + got;
    if (got == 0) break;
    walk.digest.Update(buffer, got);
    if (sink) status = sink(buffer, got, walk.position);
    if (!status.ok()) return status;
    walk.position += got;
    walk.control.Add(got);
  }
  return Status::Ok();
}

Status WalkFile(Walk& walk, const Sink& sink) {
  struct stat attributes;
  if (fstat(walk.fd, &attributes) != 0) return Status::FromErrno("fstat");
  walk.size = static_cast<uint64_t>(attributes.st_size);
  const auto buffer = TakeBuffer(kStep);
  while (walk.position < walk.size) {
    if (walk.control.cancelled()) return Status::Error(ECANCELED, "copy");
    Extent extent;
    auto status = ExtentAt(walk.fd, walk.position, walk.size, &extent);
    if (!status.ok()) return status;
    if (extent.hole) {
      extent.length = std::min(extent.length, kHoleStep);
      walk.digest.UpdateZeros(extent.length);
      walk.position += extent.length;
      walk.control.Add(extent.length);
      continue;
    }
    status = WalkData(walk, extent.offset + extent.length, buffer.get(), sink);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

// Empties `out`; where both lie on one filesystem that can, it then has the blocks of `in`.
Status EmptyOrClone(int in, int out, bool* cloned) {
  if (ftruncate(out, 0) != 0) return Status::FromErrno("ftruncate");
  *cloned = ioctl(out, FICLONE, in) == 0;
  if (!*cloned && ftruncate(out, 0) != 0) return Status::FromErrno("ftruncate");
  return Status::Ok();
}

// Reads [walk.position, end), which is no hole, from the medium.
Status CheckWindow(Walk& walk, uint64_t end, uint8_t* buffer) {
  const uint64_t length = end - walk.position;
  const Residence pages(walk.fd, walk.position, length);
  posix_fadvise(walk.fd, static_cast<off_t>(walk.position), static_cast<off_t>(length),
                POSIX_FADV_DONTNEED);
  while (walk.position < end) {
    if (walk.control.cancelled()) return Status::Error(ECANCELED, "check");
    const auto want = static_cast<size_t>(std::min<uint64_t>(kStep, end - walk.position));
    PassCheck(want);
    size_t got = 0;
    const auto status = ReadAt(walk.fd, buffer, want, walk.position, &got);
    if (!status.ok()) return status;
    walk.digest.Update(buffer, got);
    walk.position += got;
    walk.control.Add(got);
    if (got < want) walk.size = end = walk.position;
  }
  pages.Restore();
  return Status::Ok();
}

}  // namespace

Status CopyFile(int in, int out, CopyControl& control, CopyResult* result) {
  bool cloned = false;
  auto status = EmptyOrClone(in, out, &cloned);
  if (!status.ok()) return status;
  Walk walk{in, control};
  Writeback writeback(out);
  // A clone is read as well: the digest is what the copy is held against.
  status = WalkFile(walk, [&](uint8_t* data, size_t length, uint64_t offset) {
    auto written = cloned ? Status::Ok() : WriteAt(out, {{data, length}}, offset);
    if (!written.ok()) return written;
    // The source of a move is not needed in memory once it is copied.
    posix_fadvise(in, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    return cloned ? Status::Ok() : writeback.Advance(offset + length);
  });
  if (!status.ok()) return status;
  if (ftruncate(out, static_cast<off_t>(walk.size)) != 0) return Status::FromErrno("ftruncate");
  status = writeback.Finish();
  if (!status.ok()) return status;
  *result = {walk.size, walk.digest.Finish()};
  return Status::Ok();
}

Status DigestFile(int fd, CopyControl& control, CopyResult* result) {
  // Dirty pages can't be dropped; a failed flush means that the medium does not hold what we would
  // read.
  if (fdatasync(fd) != 0) return Status::FromErrno("fdatasync");
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  Walk walk{fd, control};
  auto status = WalkFile(walk, nullptr);
  if (!status.ok()) return status;
  *result = {walk.size, walk.digest.Finish()};
  return Status::Ok();
}

Status CheckFile(int fd, CopyControl& control, CopyResult* result) {
  struct stat attributes;
  if (fstat(fd, &attributes) != 0) return Status::FromErrno("fstat");
  Walk walk{fd, control};
  walk.size = static_cast<uint64_t>(attributes.st_size);
  const auto buffer = TakeBuffer(kStep);
  while (walk.position < walk.size) {
    if (control.cancelled()) return Status::Error(ECANCELED, "check");
    Extent extent;
    auto status = ExtentAt(fd, walk.position, walk.size, &extent);
    if (!status.ok()) return status;
    if (extent.hole) {
      extent.length = std::min(extent.length, kHoleStep);
      walk.digest.UpdateZeros(extent.length);
      walk.position += extent.length;
      continue;
    }
    // Windows begin at a multiple of their length: read-ahead and large pages do too.
    const uint64_t window = (walk.position / kCheckWindow + 1) * kCheckWindow;
    status = CheckWindow(walk, std::min(walk.position + extent.length, window), buffer.get());
    if (!status.ok()) return status;
  }
  *result = {walk.size, walk.digest.Finish()};
  return Status::Ok();
}

}  // namespace coral
