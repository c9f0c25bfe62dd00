// Notices that nobody reads the descriptor although requests wait, and calls for help.
//
// A busy event loop must not stop reads. The guard looks every few milliseconds, and only while
// inodes are served; it calls when two looks in a row found requests waiting and nothing was read
// in between.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "fuse/device.h"

namespace coral::fuse {

class Guard {
 public:
  Guard(const Device& device, std::function<void()> call)
      : device_(device), call_(std::move(call)) {}
  ~Guard() { Stop(); }

  void Start();
  void Stop();
  void SetWatching(bool watching);

 private:
  void Run();
  void Look();

  const Device& device_;
  std::function<void()> call_;
  bool waited_ = false;    // guard thread only: the last look found a request waiting
  uint64_t received_ = 0;  // guard thread only: count at the last look
  std::mutex mutex_;
  std::condition_variable wake_;
  bool watching_ = false;  // guarded by mutex_
  bool asleep_ = false;    // guarded by mutex_; until it is watching again
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace coral::fuse
