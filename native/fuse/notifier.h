// Sends invalidations from a thread of its own: the kernel may hold the writer until pages or a
// directory are free, which can depend on replies that the event loop has yet to give.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "fuse/device.h"

namespace coral::fuse {

class Notifier {
 public:
  explicit Notifier(const Device& device) : device_(device) {}
  ~Notifier() { Stop(); }

  void Start();
  // Drops what is queued and waits for the one being sent.
  void Stop();
  // From here on nothing more is sent. True once nothing is being sent either.
  bool Quiesce();

  // Before it returns. The inode must be in use: one that is on its way out would be waited for.
  void ExpireAttributes(uint64_t ino) const;
  // `sent` is called from a thread once the kernel is done with it, or where it is dropped.
  void InvalidateInode(uint64_t ino, int64_t offset, int64_t length,
                       std::function<void()> sent = {});
  void InvalidateEntry(uint64_t parent, std::string_view name);

 private:
  struct Message {
    NotifyCode code;
    std::vector<char> body;
    std::function<void()> sent;  // may be empty
    void Done() const {
      if (sent) sent();
    }
  };
  void Queue(Message message);
  void Run();

  const Device& device_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Message> queue_;  // guarded by mutex_
  bool sending_ = false;       // guarded by mutex_
  bool stopping_ = false;      // guarded by mutex_
  std::thread thread_;
};

}  // namespace coral::fuse
