// Decides when it pays to look for the next request a little longer instead of going to sleep.
//
// Waking a sleeping thread on another CPU costs several times what a metadata reply costs, and a
// program that works through a directory sends its next request at once. Looking longer is wasted
// where the program shares our CPU or is done, so each miss doubles the number of occasions that
// are let pass.
#pragma once

#include <algorithm>
#include <chrono>

namespace coral::fuse {

class BusyPoll {
 public:
  using Clock = std::chrono::steady_clock;

  // Calls `look` until it returns true or the time is over, where that is worth it. True on a hit.
  template <typename Look>
  bool Try(Look look) {
    if (pass_ > 0) {
      pass_--;
      return false;
    }
    const auto limit = Clock::now() + kLimit;
    do {
      if (look()) {
        penalty_ = 0;
        return true;
      }
    } while (Clock::now() < limit);
    penalty_ = std::min(2 * penalty_ + 1, kMaxPenalty);
    pass_ = penalty_;
    return false;
  }

 private:
  static constexpr std::chrono::microseconds kLimit{50};
  static constexpr unsigned kMaxPenalty = 1023;
  unsigned pass_ = 0;
  unsigned penalty_ = 0;
};

}  // namespace coral::fuse
