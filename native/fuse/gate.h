// Lets native threads hide the session's descriptor from the event loop while they read it
// themselves.
//
// The event loop polls the gate, an epoll descriptor with the session's descriptor in it. While the
// gate is closed requests do not wake the event loop: a wake-up on another CPU costs more than most
// replies.
#pragma once

#include <sys/epoll.h>

#include "io/unique_fd.h"

namespace coral::fuse {

class Gate {
 public:
  explicit Gate(int device) : epoll_(epoll_create1(EPOLL_CLOEXEC)), device_(device) { Open(); }

  int fd() const { return epoll_.get(); }
  void Open() {
    epoll_event event{EPOLLIN, {}};
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, device_, &event);
  }
  void Close() { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, device_, nullptr); }

 private:
  UniqueFd epoll_;
  int device_;
};

}  // namespace coral::fuse
