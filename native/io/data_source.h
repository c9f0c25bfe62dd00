// What the data threads of a session read from: bytes of fixed size, handed out as spans.
//
// A source keeps alive what its spans point at, so a reply goes to the kernel in one writev without
// being assembled first.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/status.h"

namespace coral {

// The spans of one read, in file order. `owners` keep the memory alive.
struct ReadResult {
  std::vector<iovec> spans;
  std::vector<std::shared_ptr<const void>> owners;
};

// Where a read failed because stored data is damaged. `chunk` indexes the plan.
struct Damage {
  bool any = false;
  uint32_t chunk = 0;
  std::string pack_path;
  std::string reason;
};

class DataSource {
 public:
  virtual ~DataSource() = default;
  // Reads `length` bytes at `offset`, fewer only at the end. Callable from any thread.
  virtual Status Read(uint64_t offset, uint32_t length, ReadResult* out, Damage* damage) = 0;
  // The same where it can be done at once: no medium is waited for, and it is not much work. False
  // where not; Read says why.
  virtual bool ReadAtOnce(uint64_t offset, uint32_t length, ReadResult* out) = 0;
  virtual uint64_t size() const = 0;
};

}  // namespace coral
