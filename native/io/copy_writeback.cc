#include "io/copy_writeback.h"

#include <fcntl.h>
#include <unistd.h>

namespace coral {

namespace {

constexpr uint64_t kWindow = 8 << 20;

Status SyncRange(int fd, uint64_t offset, uint64_t length, unsigned flags) {
  if (sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length), flags) == 0) {
    return Status::Ok();
  }
  // Filesystems that can't do it lose only the smoothing.
  if (errno == ENOSYS || errno == EINVAL || errno == ESPIPE) return Status::Ok();
  return Status::FromErrno("sync_file_range");
}

}  // namespace

Status Writeback::Advance(uint64_t end) {
  while (end - started_ >= kWindow) {
    auto status = SyncRange(fd_, started_, kWindow, SYNC_FILE_RANGE_WRITE);
    if (!status.ok()) return status;
    if (started_ >= kWindow) {
      const auto previous = started_ - kWindow;
      constexpr unsigned kWait =
          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
      status = SyncRange(fd_, previous, kWindow, kWait);
      if (!status.ok()) return status;
      posix_fadvise(fd_, static_cast<off_t>(previous), kWindow, POSIX_FADV_DONTNEED);
    }
    started_ += kWindow;
  }
  return Status::Ok();
}

Status Writeback::Finish() {
  if (fdatasync(fd_) != 0) return Status::FromErrno("fdatasync");
  posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  return Status::Ok();
}

}  // namespace coral
