#include "io/residence.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace coral {

namespace {

// The kernel cuts what is asked for to the read-ahead of the device.
constexpr uint64_t kReadAhead = 128 << 10;

// Half of it or more is in the page cache. mincore(2) tells the owner of a file about all of that,
// not only about what this process mapped.
bool IsUsed(int fd, uint64_t offset, uint64_t length) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  void* mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (mapped == MAP_FAILED) return false;
  std::vector<unsigned char> pages((length + page - 1) / page);
  const bool known = mincore(mapped, length, pages.data()) == 0;
  munmap(mapped, length);
  const auto count = std::count_if(pages.begin(), pages.end(),
                                   [](unsigned char state) { return (state & 1) != 0; });
  return known && static_cast<size_t>(count) * 2 >= pages.size();
}

}  // namespace

Residence::Residence(int fd, uint64_t offset, uint64_t length)
    : fd_(fd), offset_(offset), length_(length), used_(IsUsed(fd, offset, length)) {}

void Residence::Restore() const {
  if (!used_) {
    posix_fadvise(fd_, static_cast<off_t>(offset_), static_cast<off_t>(length_),
                  POSIX_FADV_DONTNEED);
    return;
  }
  // Pages that were given another place on the medium are gone.
  for (uint64_t done = 0; done < length_; done += kReadAhead) {
    posix_fadvise(fd_, static_cast<off_t>(offset_ + done), kReadAhead, POSIX_FADV_WILLNEED);
  }
}

}  // namespace coral
