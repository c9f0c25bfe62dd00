// Background reading leaves the page cache as it was: what programs use stays, the rest goes.
#pragma once

#include <cstdint>

namespace coral {

class Residence {
 public:
  // Looks at a range of the file, which begins at a page, before it is read.
  Residence(int fd, uint64_t offset, uint64_t length);
  // After it was read: what was in memory before is there again, or about to be; the rest is not.
  void Restore() const;

 private:
  int fd_;
  uint64_t offset_;
  uint64_t length_;
  bool used_;
};

}  // namespace coral
