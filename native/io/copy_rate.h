// The shared ceiling for background bytes per second, and the threads of the jobs that it can hold
// up.
#pragma once

#include <cstdint>

#include "io/copy_control.h"
#include "io/status.h"
#include "io/worker_pool.h"

namespace coral {

// Bytes per second; infinity lifts the ceiling, 0 pauses. Waiting jobs follow at once.
void SetBackgroundRate(double bytes_per_second);

// Waits until `bytes` more may pass. ECANCELED once `control` (may be null) is cancelled.
Status PassBackground(uint64_t bytes, const CopyControl* control);

// Threads with idle priority for jobs that wait in PassBackground. They are apart from
// WorkerPool::Background() so that paused jobs never hold up appends, syncs and recovery.
WorkerPool& CopyPool();

}  // namespace coral
