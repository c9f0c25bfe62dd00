// The handle by which a long background job is cancelled and its progress seen.
#pragma once

#include <atomic>
#include <cstdint>

namespace coral {

class CopyControl {
 public:
  // The job stops at its next step. Also wakes it where the rate limit holds it up.
  void Cancel();
  bool cancelled() const { return cancelled_; }
  void Add(uint64_t bytes) { done_ += bytes; }
  uint64_t done() const { return done_; }

 private:
  std::atomic<bool> cancelled_ = false;
  std::atomic<uint64_t> done_ = 0;
};

}  // namespace coral
