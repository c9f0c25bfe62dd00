#include "io/read_back.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace coral {

namespace {

// Read at a time. Whole large folios: the kernel keeps one that is only in part to go.
constexpr uint64_t kSegment = 32 << 20;
// As much as the memory of a large hard disk.
constexpr uint64_t kBehind = 256 << 20;

}  // namespace

ReadBack::ReadBack(int fd, CopyControl& control, ReadBackWhen when)
    : fd_(fd), control_(control), when_(when), writeback_(fd), walk_{fd, control} {}

ReadBack::~ReadBack() {
  if (!thread_.joinable()) return;
  control_.Cancel();  // It may be waiting for the rate.
  Stop();
}

Status ReadBack::Advance(uint64_t end) {
  auto status = writeback_.Advance(end);
  if (!status.ok() || when_ == ReadBackWhen::kAfterwards) return status;
  {
    std::lock_guard lock(mutex_);
    written_ = end;
    status = status_;
  }
  wake_.notify_one();
  if (end >= kBehind + kSegment && !thread_.joinable()) thread_ = std::thread([this] { Follow(); });
  return status;
}

Status ReadBack::Finish(FileDigest::Value* digest) {
  auto status = writeback_.Finish();
  if (!status.ok()) return status;
  Stop();
  if (!status_.ok()) return status_;
  struct stat attributes;
  if (fstat(fd_, &attributes) != 0) return Status::FromErrno("fstat");
  status = ReadTo(static_cast<uint64_t>(attributes.st_size));
  *digest = walk_.digest.Finish();
  return status;
}

void ReadBack::Follow() {
  std::unique_lock lock(mutex_);
  const auto may_read = [this] { return written_ >= walk_.position + kSegment + kBehind; };
  while (status_.ok()) {
    wake_.wait(lock, [&] { return stopping_ || may_read(); });
    if (stopping_) return;
    lock.unlock();
    auto status = ReadTo(walk_.position + kSegment);
    lock.lock();
    status_ = status;
  }
}

Status ReadBack::ReadTo(uint64_t end) {
  posix_fadvise(fd_, static_cast<off_t>(walk_.position), static_cast<off_t>(end - walk_.position),
                POSIX_FADV_DONTNEED);
  return WalkTo(walk_, &end);
}

void ReadBack::Stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

}  // namespace coral
