#include "io/others.h"

#include <fcntl.h>
#include <signal.h>

namespace coral::io {

namespace {

// Whoever opens the file in the moment of the question has the kernel send us SIGIO, which would
// end the process.
void IgnoreSignal() { [[maybe_unused]] static const auto before = signal(SIGIO, SIG_IGN); }

Status IsRefused(int fd, int lease, bool* refused) {
  *refused = false;
  IgnoreSignal();
  if (fcntl(fd, F_SETLEASE, lease) == 0) {
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return Status::Ok();
  }
  *refused = errno == EAGAIN;
  return *refused ? Status::Ok() : Status::FromErrno("fcntl(F_SETLEASE)");
}

}  // namespace

Status HasOthers(int fd, bool* others) { return IsRefused(fd, F_WRLCK, others); }

Status HasWriters(int fd, bool* writers) { return IsRefused(fd, F_RDLCK, writers); }

}  // namespace coral::io
