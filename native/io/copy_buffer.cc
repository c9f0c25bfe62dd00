#include "io/copy_buffer.h"

#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

namespace coral {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kKeptBytes = 96 << 20;

// Four classes for each power of two: at most a quarter is wasted.
size_t RoundToClass(size_t size) {
  size = std::max(size, 4 * kPage);
  const size_t step = std::bit_floor(size) / 4;
  return (size + step - 1) / step * step;
}

class BufferPool {
 public:
  uint8_t* Take(size_t capacity) {
    {
      std::lock_guard lock(mutex_);
      auto& free = free_[capacity];
      if (!free.empty()) {
        auto* buffer = free.back();
        free.pop_back();
        kept_ -= capacity;
        return buffer;
      }
    }
    auto* buffer = static_cast<uint8_t*>(aligned_alloc(kPage, capacity));
    if (buffer == nullptr) abort();
    return buffer;
  }

  void Return(uint8_t* buffer, size_t capacity) {
    {
      std::lock_guard lock(mutex_);
      if (kept_ + capacity <= kKeptBytes) {
        free_[capacity].push_back(buffer);
        kept_ += capacity;
        return;
      }
    }
    free(buffer);
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<uint8_t*>> free_;  // guarded by mutex_; last in, first out: warm
  size_t kept_ = 0;                               // guarded by mutex_
};

// Never destroyed: buffers come back from threads that outlive main.
BufferPool& Pool() {
  static auto* pool = new BufferPool;
  return *pool;
}

}  // namespace

std::shared_ptr<uint8_t> TakeBuffer(size_t size) {
  const size_t capacity = RoundToClass(size);
  return {Pool().Take(capacity), [capacity](uint8_t* buffer) { Pool().Return(buffer, capacity); }};
}

}  // namespace coral
