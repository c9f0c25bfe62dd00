#include "io/copy_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_extents.h"
#include "io/copy_rate.h"
#include "io/file_walk.h"
#include "io/residence.h"

namespace coral {

namespace {

constexpr size_t kStep = 1 << 20;
constexpr uint64_t kHoleStep = 1 << 30;  // Bounds the time until a cancel is seen.
// How much of a file that is in use is out of memory at a time while it is checked.
constexpr uint64_t kCheckWindow = 16 << 20;

Status SizeOf(int fd, uint64_t* size) {
  struct stat attributes;
  if (fstat(fd, &attributes) != 0) return Status::FromErrno("fstat");
  *size = static_cast<uint64_t>(attributes.st_size);
  return Status::Ok();
}

// Empties `out`; where both lie on one filesystem that can, it then has the blocks of `in`.
Status EmptyOrClone(int in, int out, bool* cloned) {
  if (ftruncate(out, 0) != 0) return Status::FromErrno("ftruncate");
  *cloned = ioctl(out, FICLONE, in) == 0;
  if (!*cloned && ftruncate(out, 0) != 0) return Status::FromErrno("ftruncate");
  return Status::Ok();
}

// Reads [walk.position, end), which is no hole, from the medium. `*size` is that of the file.
Status CheckWindow(FileWalk& walk, uint64_t end, uint8_t* buffer, uint64_t* size) {
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
    if (got < want) *size = end = walk.position;
  }
  pages.Restore();
  return Status::Ok();
}

}  // namespace

Status CopyFile(int in, int out, ReadBackWhen when, CopyControl& control, CheckedCopy* result) {
  bool cloned = false;
  auto status = EmptyOrClone(in, out, &cloned);
  if (!status.ok()) return status;
  uint64_t size = 0;
  status = SizeOf(in, &size);
  if (!status.ok()) return status;
  FileWalk walk{in, control};
  ReadBack read_back(out, control, when);
  // A clone is read as well: the digest is what the copy is held against.
  status = WalkTo(walk, &size, [&](uint8_t* data, size_t length, uint64_t offset) {
    auto written = cloned ? Status::Ok() : WriteAt(out, {{data, length}}, offset);
    if (!written.ok()) return written;
    // The source of a move is not needed in memory once it is copied.
    posix_fadvise(in, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    return cloned ? Status::Ok() : read_back.Advance(offset + length);
  });
  if (!status.ok()) return status;
  if (ftruncate(out, static_cast<off_t>(size)) != 0) return Status::FromErrno("ftruncate");
  result->copied = {size, walk.digest.Finish()};
  return read_back.Finish(&result->found);
}

Status DigestFile(int fd, CopyControl& control, CopyResult* result) {
  // Dirty pages can't be dropped; a failed flush means that the medium does not hold what we would
  // read.
  if (fdatasync(fd) != 0) return Status::FromErrno("fdatasync");
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  uint64_t size = 0;
  auto status = SizeOf(fd, &size);
  if (!status.ok()) return status;
  FileWalk walk{fd, control};
  status = WalkTo(walk, &size);
  *result = {size, walk.digest.Finish()};
  return status;
}

Status CheckFile(int fd, CopyControl& control, CopyResult* result) {
  uint64_t size = 0;
  auto status = SizeOf(fd, &size);
  if (!status.ok()) return status;
  FileWalk walk{fd, control};
  const auto buffer = TakeBuffer(kStep);
  while (walk.position < size) {
    if (control.cancelled()) return Status::Error(ECANCELED, "check");
    Extent extent;
    status = ExtentAt(fd, walk.position, size, &extent);
    if (!status.ok()) return status;
    if (extent.hole) {
      extent.length = std::min(extent.length, kHoleStep);
      walk.digest.UpdateZeros(extent.length);
      walk.position += extent.length;
      continue;
    }
    // Windows begin at a multiple of their length: read-ahead and large pages do too.
    const uint64_t window = (walk.position / kCheckWindow + 1) * kCheckWindow;
    const uint64_t end = std::min(walk.position + extent.length, window);
    status = CheckWindow(walk, end, buffer.get(), &size);
    if (!status.ok()) return status;
  }
  *result = {size, walk.digest.Finish()};
  return Status::Ok();
}

}  // namespace coral
