// The threads that answer READ and WRITE of served inodes.
//
// The event loop is the first reader of the descriptor and submits data requests here. A thread
// that finished one then leads for a while: it closes the gate, reads the descriptor itself and
// answers data requests without a hop between threads; what is for JavaScript goes to the inbox. At
// most one thread leads. Somebody always watches the descriptor: before a leader does what may
// block, another thread takes over or the gate opens.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "fuse/data_replies.h"
#include "fuse/gate.h"
#include "fuse/inbox.h"
#include "fuse/read_ahead.h"

namespace coral::fuse {

class DataThreads {
 public:
  // What the threads work with. All of it outlives them.
  struct Context {
    Device& device;
    BufferPool& buffers;
    const ServedInodes& inodes;
    const DataReplies& replies;
    ReadAhead& read_ahead;
    Gate& gate;
    Inbox& inbox;
  };

  explicit DataThreads(Context context);
  ~DataThreads() { Stop(); }

  void Start();
  // Answers what was submitted, then ends the threads.
  void Stop();
  void Submit(Request request, std::shared_ptr<const Served> served);
  // The event loop does not read: a thread shall lead until it does again.
  void Rescue();

 private:
  struct Work {
    Request request;
    std::shared_ptr<const Served> served;
  };
  // What a leader met: decides whether it goes on leading.
  enum class Step { kServed, kForwarded, kNothing, kEnded, kYielded };

  void Run();
  void Lead(bool rescue);
  Step LeadOnce(Request* request);
  bool AwaitMore(bool rescue, uint64_t turns);
  bool TryLead();
  void StopLeading();
  void PassLead();
  bool MayLead() const;

  Context context_;
  UniqueFd nudge_;  // eventfd that ends the leader's wait
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;              // guarded by mutex_
  unsigned idle_ = 0;                   // guarded by mutex_
  bool leading_ = false;                // guarded by mutex_; the gate is closed while it is set
  bool lead_wanted_ = false;            // guarded by mutex_
  bool rescue_wanted_ = false;          // guarded by mutex_
  bool ended_ = false;                  // guarded by mutex_
  std::atomic<bool> stopping_ = false;  // set with mutex_ held
  std::vector<std::thread> threads_;
};

}  // namespace coral::fuse
