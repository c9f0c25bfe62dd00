// The kernel's end of a session: one open /dev/fuse descriptor, read and written with single calls.
// Knows framing and errnos, not what requests mean. Every method may be called from any thread.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <span>

#include "fuse/request.h"
#include "io/status.h"
#include "io/unique_fd.h"

namespace coral::fuse {

class Device {
 public:
  enum class Received { kRequest, kNothing, kEnded };

  // Takes the descriptor over and makes it nonblocking.
  explicit Device(UniqueFd fd);

  int fd() const { return fd_.get(); }
  // No other thread may be using the device.
  void Close() { fd_.reset(); }

  // kNothing: no request is waiting. kEnded: the connection is gone; `error` is 0 where it was
  // unmounted or aborted, else the errno of read(2).
  Received Receive(Request* into, BufferPool& pool, int* error);
  // True where Receive would not give kNothing.
  bool Readable() const;
  // Requests received so far: tells whether anybody reads.
  uint64_t received() const { return received_.load(std::memory_order_relaxed); }

  // Replies. A request that ended meanwhile is ignored; a reply that the kernel refuses becomes
  // EIO.
  void Reply(uint64_t unique, std::span<const iovec> payload) const;
  void Reply(uint64_t unique, const void* payload, size_t length) const;
  // The same in one piece, which costs the kernel less: `message` has room for an OutHeader, then
  // `length` bytes of payload.
  void ReplyInPlace(uint64_t unique, char* message, size_t length) const;
  void ReplyError(uint64_t unique,
                  int error) const;  // `error` is positive, or 0 for an empty success

  // Blocks while the kernel waits for pages or directories that are in use: not for the event loop.
  void Notify(NotifyCode code, std::span<const char> message) const;

  // Puts data into the kernel's page cache of an inode; false where it does not know the inode, or
  // has no room. Never beyond the file's end: the kernel would make the file longer. Blocks while a
  // page of it is being read.
  bool Store(uint64_t ino, uint64_t offset, std::span<const iovec> data) const;

  Status BackingOpen(int fd, uint32_t* backing_id) const;
  Status BackingClose(uint32_t backing_id) const;

 private:
  // After the write of a reply; `failed` is 0 or its errno.
  void Answered(uint64_t unique, int failed) const;

  UniqueFd fd_;
  std::atomic<uint64_t> received_{0};
};

}  // namespace coral::fuse
