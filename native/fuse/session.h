// One kernel FUSE connection: who reads its descriptor, who answers, and how it ends.
//
// Lifecycle: 1. constructed on a mounted (perhaps inherited) descriptor; 2. Start: threads run, the
// event loop polls poll_fd() and calls Receive until kNothing; 3. Stop, off the event loop: threads
// end, the descriptor closes. Methods marked "event loop" are not for other threads.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "fuse/data_replies.h"
#include "fuse/data_threads.h"
#include "fuse/device.h"
#include "fuse/gate.h"
#include "fuse/guard.h"
#include "fuse/inbox.h"
#include "fuse/notifier.h"
#include "fuse/read_ahead.h"
#include "fuse/served.h"

namespace coral::fuse {

// Calls from native threads to the event loop's side.
struct SessionEvents {
  std::function<void()> inbox_filled;  // call TakeInbox on the event loop soon
  std::function<void()> damage_met;    // call TakeDamaged on the event loop soon
};

class Session {
 public:
  Session(UniqueFd fd, SessionEvents events);
  ~Session() { Stop(); }

  void Start();
  // Blocks until the threads ended, then closes the descriptor. Not for the event loop.
  void Stop();

  int fd() const { return device_.fd(); }
  int poll_fd() const { return gate_.fd(); }

  // Event loop. Reads one request, see Device::Receive; pass it to HandOn.
  Device::Received Receive(Request* request, int* error) {
    return device_.Receive(request, buffers_, error);
  }
  // Event loop. Requests that threads read; pass each to HandOn.
  std::deque<Request> TakeInbox() { return inbox_.Take(); }
  // Event loop. READs that met damaged data; Park and SetPending each.
  std::deque<DamagedRead> TakeDamaged() { return damaged_.Take(); }
  enum class Taken { kForJavaScript, kAnswered, kHandedOn };
  // Event loop. Answers a request of a served inode, or hands it to the data threads.
  Taken HandOn(Request* request);

  // Event loop. A READ or WRITE that JavaScript answers later waits here with its data.
  void Park(Request request);
  // Event loop. Hands a parked request on, or fails it with EIO where its inode is not served.
  void Retry(uint64_t unique);
  // Event loop. JavaScript answers `unique` later.
  void SetPending(uint64_t unique) { pending_.insert(unique); }
  // Event loop. Answers it now. `error` is positive or 0.
  void Respond(uint64_t unique, int error, const void* payload, size_t length);
  // Event loop. The same with what Device::ReplyInPlace takes, for a request that was never
  // pending.
  void RespondInPlace(uint64_t unique, char* message, size_t length);

  void Serve(uint64_t ino, std::shared_ptr<const Served> served);
  void Unserve(uint64_t ino);
  // Not for the event loop. Nothing more is pushed into the kernel's cache of the inode until it is
  // served from something else: before its data changes.
  void EndReadAhead(uint64_t ino) { read_ahead_.Hold(ino); }

  // The kernel asks for the access time of the inode again, from now on or once it was read: where
  // it has to ask for the data it does so by itself.
  void ExpireAccessTime(uint64_t ino) const {
    if (inodes_.MayBeCached(ino)) notifier_.ExpireAttributes(ino);
  }

  const Device& device() const { return device_; }
  Notifier& notifier() { return notifier_; }

 private:
  void FailUnanswered();
  void AnswerUntilQuiet();

  BufferPool buffers_;  // first: everything below may hold buffers
  Device device_;
  Gate gate_;
  ServedInodes inodes_;
  DamagedReads damaged_;
  DataReplies replies_;
  ReadAhead read_ahead_;
  Inbox inbox_;
  DataThreads threads_;
  Guard guard_;
  Notifier notifier_;
  std::unordered_map<uint64_t, Request> parked_;  // event loop only, then Stop
  std::unordered_set<uint64_t> pending_;          // event loop only, then Stop
};

}  // namespace coral::fuse
