#include "fuse/guard.h"

#include <chrono>

namespace coral::fuse {

namespace {
constexpr std::chrono::milliseconds kInterval{5};
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
  if (watching_ == watching) return;
  watching_ = watching;
  if (watching) wake_.notify_all();
}

void Guard::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || watching_; });
    wake_.wait_for(lock, kInterval, [this] { return stopping_; });
    if (stopping_) return;
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
