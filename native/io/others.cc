#include "io/others.h"

#include <fcntl.h>
#include <signal.h>

namespace coral::io {

namespace {

// Whoever opens the file in the moment of the question has the kernel signal us: with one that is
// ignored, instead of SIGIO, which would end the process.
Status IsRefused(int fd, int lease, bool* refused) {
  *refused = false;
  if (fcntl(fd, F_SETSIG, SIGURG) != 0) return Status::FromErrno("fcntl(F_SETSIG)");
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
