// What is written to a file in order, made durable, and read back from the medium.
//
// Of a long file the part that was written a while ago is read, on a thread of its own, while what
// comes after is written: a medium that seeks would only lose by that. It stays so far behind that
// the memory of a disk does not answer for its medium.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "io/copy_control.h"
#include "io/copy_digest.h"
#include "io/copy_writeback.h"
#include "io/file_walk.h"
#include "io/status.h"

namespace coral {

enum class ReadBackWhen { kAfterwards, kMeanwhile };

class ReadBack {
 public:
  // `control` outlives this, and is cancelled where it ends before `Finish`.
  ReadBack(int fd, CopyControl& control, ReadBackWhen when);
  ~ReadBack();
  ReadBack(const ReadBack&) = delete;
  ReadBack& operator=(const ReadBack&) = delete;

  // Everything before `end` was written, and data right before it.
  Status Advance(uint64_t end);
  // All was written. fdatasync, reads the rest, and says what the whole file holds.
  Status Finish(FileDigest::Value* digest);

 private:
  void Follow();
  // Reads up to `end`, not from memory.
  Status ReadTo(uint64_t end);
  void Stop();

  const int fd_;
  CopyControl& control_;
  const ReadBackWhen when_;
  Writeback writeback_;
  FileWalk walk_;  // The thread's while there is one.
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable wake_;
  uint64_t written_ = 0;          // guarded by mutex_
  bool stopping_ = false;         // guarded by mutex_
  Status status_ = Status::Ok();  // guarded by mutex_
};

}  // namespace coral
