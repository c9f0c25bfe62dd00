#include "content/parallel.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace coral {

namespace {

struct Shared {
  const size_t count;
  // Lives in the caller's frame; used only by who took an item, and the caller waits for those.
  const std::function<void(size_t)>& work;
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::condition_variable finished;
  size_t done = 0;  // guarded by mutex

  Shared(size_t items, const std::function<void(size_t)>& function)
      : count(items), work(function) {}

  void TakeItems() {
    size_t mine = 0;
    for (size_t i = next++; i < count; i = next++, mine++) work(i);
    if (mine == 0) return;
    std::lock_guard lock(mutex);
    done += mine;
    if (done == count) finished.notify_all();
  }
};

}  // namespace

void ParallelFor(WorkerPool& pool, unsigned helpers, size_t count,
                 const std::function<void(size_t)>& work) {
  if (count == 0) return;
  auto shared = std::make_shared<Shared>(count, work);
  for (unsigned i = 0; i < helpers && i + 1 < count; i++) {
    pool.Submit([shared] { shared->TakeItems(); });
  }
  shared->TakeItems();
  std::unique_lock lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done == count; });
}

}  // namespace coral
