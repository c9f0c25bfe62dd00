// Brings the event loop's thread to the CPU of the program that it answers.
//
// A request and its reply each wake a sleeping thread. Where the two sleep on different CPUs that
// costs an interrupt to an idle CPU each time, several times what a metadata reply costs; on one
// CPU it is two task switches. The scheduler leaves each thread where it slept, so nothing brings
// them together. Only the current CPU changes, not the set of allowed ones: with more to do, the
// scheduler spreads threads as ever.
#pragma once

#include <chrono>
#include <cstdint>

namespace coral::fuse {

class CpuFollower {
 public:
  // The thread waited for the request that it has now; `pid` sent it. Call from that thread only.
  void Waited(uint32_t pid);
  // A request was there at once: as long as that is so, waking up is not what takes the time.
  void Busy() { waits_ = 0; }

 private:
  using Clock = std::chrono::steady_clock;
  void Follow(uint32_t pid, Clock::time_point now);

  unsigned waits_ = 0;  // in a row
  Clock::time_point first_wait_;
  Clock::time_point not_before_;
  Clock::time_point last_move_;
  std::chrono::milliseconds pause_{0};
};

}  // namespace coral::fuse
