#include "fuse/guard.h"

#include <chrono>

namespace coral::fuse {

namespace {
constexpr std::chrono::milliseconds kInterval{5};
// Looks without an inode being served before it sleeps: to wake it for each of many small files
// would cost more than these looks.
constexpr int kQuietLooks = 20;
}  // namespace

void Guard::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Guard::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Guard::SetWatching(bool watching) {
  std::lock_guard lock(mutex_);
  watching_ = watching;
  if (watching && asleep_) wake_.notify_all();
}

void Guard::Run() {
  std::unique_lock lock(mutex_);
  for (int quiet = 0;; quiet = watching_ ? 0 : quiet + 1) {
    if (quiet == kQuietLooks) {
      asleep_ = true;
      wake_.wait(lock, [this] { return stopping_ || watching_; });
      asleep_ = false;
      quiet = 0;
    }
    wake_.wait_for(lock, kInterval, [this] { return stopping_; });
    if (stopping_) return;
    if (!watching_) continue;
    lock.unlock();
    Look();
    lock.lock();
  }
}

void Guard::Look() {
  const bool waits = device_.Readable();
  const uint64_t received = device_.received();
  if (waits && waited_ && received == received_) call_();
  waited_ = waits;
  received_ = received;
}

}  // namespace coral::fuse
