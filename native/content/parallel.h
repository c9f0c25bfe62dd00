// Spreads independent work over pool threads without ever waiting for a free one: the caller works
// too, and waits only for items that a running thread has already taken.
#pragma once

#include <cstddef>
#include <functional>

#include "io/worker_pool.h"

namespace coral {

// Runs work(0) .. work(count - 1), each once, on the caller and up to `helpers` threads of `pool`.
// Safe to call from a thread of `pool`.
void ParallelFor(WorkerPool& pool, unsigned helpers, size_t count,
                 const std::function<void(size_t)>& work);

}  // namespace coral
