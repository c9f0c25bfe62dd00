// The shared ceiling for background bytes per second, the pause of moves, and the threads of the
// jobs that these can hold up.
#pragma once

#include <cstdint>

#include "io/copy_control.h"
#include "io/status.h"
#include "io/worker_pool.h"

namespace coral {

// Bytes per second, above 0; infinity lifts the ceiling. Waiting jobs follow at once.
void SetBackgroundRate(double bytes_per_second, bool paused);

// Waits until `bytes` more may pass, and while moves are paused. ECANCELED once `control` (may be
// null) is cancelled.
Status PassBackground(uint64_t bytes, const CopyControl* control);

// The same for a check that somebody asked for: below the ceiling, but paused moves don't stop it.
void PassCheck(uint64_t bytes);

// Threads with idle priority for jobs that wait in PassBackground. They are apart from
// WorkerPool::Background() so that paused jobs never hold up appends, syncs and recovery.
WorkerPool& CopyPool();

// For jobs that wait in PassCheck: the threads of CopyPool may all stand still.
WorkerPool& CheckPool();

}  // namespace coral
