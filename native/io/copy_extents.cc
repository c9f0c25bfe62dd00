#include "io/copy_extents.h"

#include <unistd.h>

#include <algorithm>

namespace coral {

namespace {

// Where the next data or hole starts, at most `size`.
Status Seek(int fd, uint64_t offset, uint64_t size, int whence, uint64_t* found) {
  const off_t at = lseek(fd, static_cast<off_t>(offset), whence);
  if (at >= 0) {
    *found = std::clamp<uint64_t>(static_cast<uint64_t>(at), offset, size);
  } else if (errno == ENXIO) {
    *found = size;
  } else if (errno == EINVAL || errno == EOPNOTSUPP) {
    *found = whence == SEEK_DATA ? offset : size;
  } else {
    return Status::FromErrno("lseek");
  }
  return Status::Ok();
}

}  // namespace

Status ExtentAt(int fd, uint64_t offset, uint64_t size, Extent* extent) {
  uint64_t data = 0;
  auto status = Seek(fd, offset, size, SEEK_DATA, &data);
  if (!status.ok()) return status;
  if (data > offset) {
    *extent = {offset, data - offset, true};
    return Status::Ok();
  }
  uint64_t hole = 0;
  status = Seek(fd, offset, size, SEEK_HOLE, &hole);
  if (!status.ok()) return status;
  // A file that changes meanwhile may answer "hole right here": take it as data, and get on.
  *extent = {offset, hole > offset ? hole - offset : size - offset, false};
  return Status::Ok();
}

}  // namespace coral
