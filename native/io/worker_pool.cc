#include "io/worker_pool.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace coral {

namespace {

// From ioprio_set(2); glibc has no wrapper and older headers no constants.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassIdle = 3;
constexpr int kIoprioClassShift = 13;

void BecomeIdle() {
  const auto tid = static_cast<id_t>(syscall(SYS_gettid));
  syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, kIoprioClassIdle << kIoprioClassShift);
  setpriority(PRIO_PROCESS, tid, 19);
}

}  // namespace

WorkerPool::WorkerPool(unsigned threads, Priority priority) {
  for (unsigned i = 0; i < threads; i++) threads_.emplace_back([this, priority] { Run(priority); });
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void WorkerPool::Submit(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void WorkerPool::Run(Priority priority) {
  if (priority == Priority::kIdle) BecomeIdle();
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

// Both pools outlive main: joining threads in static destructors would race with Node's own exit.
WorkerPool& WorkerPool::Foreground() {
  static auto* pool =
      new WorkerPool(std::max(4u, std::thread::hardware_concurrency()), Priority::kNormal);
  return *pool;
}

WorkerPool& WorkerPool::Background() {
  static auto* pool =
      new WorkerPool(std::max(2u, std::thread::hardware_concurrency()), Priority::kIdle);
  return *pool;
}

}  // namespace coral
