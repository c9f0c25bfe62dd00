#include "io/copy_rate.h"

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>

namespace coral {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kCopyThreads = 4;
constexpr unsigned kCheckThreads = 1;

// A token bucket without a bucket: each passage moves the time at which the next one may start.
class RateLimit {
 public:
  void Set(double rate, bool paused) {
    {
      std::lock_guard lock(mutex_);
      rate_ = rate;
      paused_ = paused;
      free_at_ = Clock::now();
    }
    wake_.notify_all();
  }

  Status Pass(uint64_t bytes, bool despite_pause, const CopyControl* control) {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (control != nullptr && control->cancelled()) return Status::Error(ECANCELED, "copy");
      if (paused_ && !despite_pause) {
        wake_.wait(lock);
        continue;
      }
      if (std::isinf(rate_)) return Status::Ok();
      const auto now = Clock::now();
      if (now >= free_at_) {
        free_at_ = now + Duration(bytes);
        return Status::Ok();
      }
      wake_.wait_until(lock, free_at_);
    }
  }

  void Wake() {
    std::lock_guard lock(mutex_);  // Pairs with the check of cancelled() before a wait.
    wake_.notify_all();
  }

 private:
  Clock::duration Duration(uint64_t bytes) const {
    const double seconds = std::min(static_cast<double>(bytes) / rate_, 1e6);
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  double rate_ = std::numeric_limits<double>::infinity();  // guarded by mutex_
  bool paused_ = false;                                    // guarded by mutex_
  Clock::time_point free_at_ = Clock::now();               // guarded by mutex_
};

// Never destroyed: pool threads outlive main.
RateLimit& Limit() {
  static auto* limit = new RateLimit;
  return *limit;
}

}  // namespace

void SetBackgroundRate(double bytes_per_second, bool paused) {
  Limit().Set(bytes_per_second, paused);
}

Status PassBackground(uint64_t bytes, const CopyControl* control) {
  return Limit().Pass(bytes, false, control);
}

void PassCheck(uint64_t bytes) { (void)Limit().Pass(bytes, true, nullptr); }

void CopyControl::Cancel() {
  cancelled_ = true;
  Limit().Wake();
}

WorkerPool& CopyPool() {
  static auto* pool = new WorkerPool(kCopyThreads, WorkerPool::Priority::kIdle);
  return *pool;
}

WorkerPool& CheckPool() {
  static auto* pool = new WorkerPool(kCheckThreads, WorkerPool::Priority::kIdle);
  return *pool;
}

}  // namespace coral
