#include "io/copy_writeback.h"

#include <fcntl.h>
#include <unistd.h>

namespace coral {

namespace {

constexpr uint64_t kWindow = 8 << 20;
constexpr uint64_t kLargestFolio = 2 << 20;
constexpr unsigned kWriteAndWait =
    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

Status SyncRange(int fd, uint64_t offset, uint64_t length, unsigned flags) {
  if (sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length), flags) == 0) {
    return Status::Ok();
  }
  // Filesystems that can't do it lose only the smoothing.
  if (errno == ENOSYS || errno == EINVAL || errno == ESPIPE) return Status::Ok();
  return Status::FromErrno("sync_file_range");
}

}  // namespace

Status StartWriting(int fd, uint64_t offset, uint64_t length) {
  return SyncRange(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

Status DropPages(int fd, uint64_t offset, uint64_t length) {
  // The kernel keeps a large folio that is only in part to go.
  const auto end = (offset + length + kLargestFolio - 1) / kLargestFolio * kLargestFolio;
  offset = offset / kLargestFolio * kLargestFolio;
  length = end - offset;
  auto status = SyncRange(fd, offset, length, kWriteAndWait);
  if (!status.ok()) return status;
  posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
  return Status::Ok();
}

Status Writeback::Advance(uint64_t end) {
  while (end - started_ >= kWindow) {
    auto status = StartWriting(fd_, started_, kWindow);
    if (!status.ok()) return status;
    if (started_ >= kWindow) status = DropPages(fd_, started_ - kWindow, kWindow);
    if (!status.ok()) return status;
    started_ += kWindow;
  }
  return Status::Ok();
}

Status Writeback::Finish() {
  return fdatasync(fd_) == 0 ? Status::Ok() : Status::FromErrno("fdatasync");
}

}  // namespace coral
