// READ requests that met damaged data. They wait until JavaScript knows whether it could be healed.
#pragma once

#include <deque>
#include <functional>
#include <mutex>

#include "fuse/request.h"
#include "io/data_source.h"

namespace coral::fuse {

struct DamagedRead {
  Request request;
  Damage damage;
};

class DamagedReads {
 public:
  // `wake` makes the event loop call Take soon.
  explicit DamagedReads(std::function<void()> wake) : wake_(std::move(wake)) {}

  // Any thread.
  void Put(Request request, Damage damage) {
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back({std::move(request), std::move(damage)});
    }
    wake_();
  }

  std::deque<DamagedRead> Take() {
    std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::deque<DamagedRead> waiting_;  // guarded by mutex_
};

}  // namespace coral::fuse
