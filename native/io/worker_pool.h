// A fixed set of threads that run queued work in order of arrival.
//
// Two pools exist for the life of the process: Foreground() for work that a program waits for, and
// Background() for moving data, whose threads have idle I/O priority and the lowest CPU priority.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace coral {

class WorkerPool {
 public:
  enum class Priority { kNormal, kIdle };

  WorkerPool(unsigned threads, Priority priority);
  ~WorkerPool();  // Finishes what is queued.
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Submit(std::function<void()> work);
  unsigned size() const { return static_cast<unsigned>(threads_.size()); }

  static WorkerPool& Foreground();
  static WorkerPool& Background();

 private:
  void Run(Priority priority);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace coral
