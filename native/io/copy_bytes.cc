#include "io/copy_bytes.h"

#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace coral {

namespace {

// Drops what was written from the front of `parts`; returns the index of the first part that is
// left.
size_t Consume(std::vector<iovec>& parts, size_t first, size_t written) {
  while (first < parts.size() && written >= parts[first].iov_len) {
    written -= parts[first++].iov_len;
  }
  if (first < parts.size()) {
    parts[first].iov_base = static_cast<uint8_t*>(parts[first].iov_base) + written;
    parts[first].iov_len -= written;
  }
  return first;
}

}  // namespace

const uint8_t* ZeroBlock() {
  static const uint8_t* const block = [] {
    void* zeros = mmap(nullptr, kZeroBlockSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zeros == MAP_FAILED) abort();
    return static_cast<const uint8_t*>(zeros);
  }();
  return block;
}

Status ReadAt(int fd, void* data, size_t length, uint64_t offset, size_t* done) {
  *done = 0;
  while (*done < length) {
    const ssize_t got = pread(fd, static_cast<uint8_t*>(data) + *done, length - *done,
                              static_cast<off_t>(offset + *done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status::FromErrno("pread");
    if (got == 0) break;
    *done += static_cast<size_t>(got);
  }
  return Status::Ok();
}

Status ReadCachedAt(int fd, void* data, size_t length, uint64_t offset, size_t* done) {
  const iovec part{data, length};
  const ssize_t got = preadv2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  *done = got > 0 ? static_cast<size_t>(got) : 0;
  return got < 0 ? Status::FromErrno("preadv2") : Status::Ok();
}

Status WriteAt(int fd, std::vector<iovec> parts, uint64_t offset) {
  size_t first = Consume(parts, 0, 0);
  while (first < parts.size()) {
    const auto count = static_cast<int>(std::min<size_t>(parts.size() - first, IOV_MAX));
    const ssize_t written = pwritev(fd, &parts[first], count, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Status::FromErrno("pwritev");
    if (written == 0) return Status::Error(ENOSPC, "pwritev");
    offset += static_cast<uint64_t>(written);
    first = Consume(parts, first, static_cast<size_t>(written));
  }
  return Status::Ok();
}

}  // namespace coral
