// Keeps the dirty pages of a file that is written in order few, so that a background copy neither
// fills the page cache nor ends in one long sync.
#pragma once

#include <cstdint>

#include "io/status.h"

namespace coral {

// Has the kernel begin to write what is dirty there. Failed writeback is left for fdatasync to
// report.
Status StartWriting(int fd, uint64_t offset, uint64_t length);

// Writes what is dirty there and lets the pages go, so that the next read comes from the medium.
Status DropPages(int fd, uint64_t offset, uint64_t length);

class Writeback {
 public:
  explicit Writeback(int fd) : fd_(fd) {}
  // Everything before `end` was written. Reports failed writeback: sync_file_range takes the error
  // away from a later fdatasync.
  Status Advance(uint64_t end);
  // fdatasync. Dirty pages can't be dropped, and a failed flush means that the medium does not hold
  // what would be read.
  Status Finish();

 private:
  int fd_;
  uint64_t started_ = 0;
};

}  // namespace coral
