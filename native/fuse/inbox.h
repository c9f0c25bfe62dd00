// Requests that native threads read but that are for JavaScript, in the order of reading.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>

#include "fuse/request.h"

namespace coral::fuse {

class Inbox {
 public:
  // `wake` makes the event loop call Take soon; it is called for the first request put into an
  // empty box.
  explicit Inbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  void Put(Request request) {
    request.Compact();
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(request));
    const bool first = waiting_.size() == 1;
    lock.unlock();
    if (first) wake_();
  }

  // Event loop only. Calling it, even on an empty box, shows that the event loop is alive.
  std::deque<Request> Take() {
    turns_.fetch_add(1, std::memory_order_relaxed);
    std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }

  uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

 private:
  std::function<void()> wake_;
  std::atomic<uint64_t> turns_{0};
  std::mutex mutex_;
  std::deque<Request> waiting_;  // guarded by mutex_
};

}  // namespace coral::fuse
