#include "fuse/cpu_follower.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "io/unique_fd.h"

namespace coral::fuse {

namespace {

using std::chrono::milliseconds;

// A program that works through many files waits so often in so short a time; others are let be.
constexpr unsigned kWaits = 16;
constexpr milliseconds kWithin{10};
// Until the next look where the two are together: programs are moved, too.
constexpr milliseconds kTogether{20};
// Where a move did not last, the next one comes later and later.
constexpr milliseconds kShortLived{200};
constexpr milliseconds kLongestPause{2000};

// The CPU that a thread last ran on, field 39 of proc(5)'s stat; -1 where it can't be seen.
int CpuOf(uint32_t pid) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/%u/stat", pid);
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return -1;
  char text[1024];
  const ssize_t length = read(file.get(), text, sizeof(text) - 1);
  if (length <= 0) return -1;
  text[length] = '\0';
  // The name, field 2, may hold anything: fields are counted from the parenthesis that ends it.
  const char* at = strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 39; field++) at = strchr(at + 1, ' ');
  return at == nullptr ? -1 : atoi(at + 1);
}

bool MoveTo(int cpu) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return false;
  if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed)) return false;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof(only), &only) != 0) return false;
  return sched_setaffinity(0, sizeof(allowed), &allowed) == 0;
}

}  // namespace

void CpuFollower::Waited(uint32_t pid) {
  const auto now = Clock::now();
  if (waits_++ == 0) first_wait_ = now;
  if (waits_ < kWaits) return;
  waits_ = 0;
  if (now - first_wait_ <= kWithin && now >= not_before_) Follow(pid, now);
}

void CpuFollower::Follow(uint32_t pid, Clock::time_point now) {
  const int cpu = CpuOf(pid);
  not_before_ = now + kTogether;
  if (cpu < 0 || cpu == sched_getcpu() || !MoveTo(cpu)) return;
  const bool short_lived = now - last_move_ < kShortLived + pause_;
  pause_ = short_lived ? std::min(2 * pause_ + kTogether, kLongestPause) : milliseconds{0};
  not_before_ = now + pause_ + kTogether;
  last_move_ = now;
}

}  // namespace coral::fuse
