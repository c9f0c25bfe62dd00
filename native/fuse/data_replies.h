// Answers READ and WRITE of served inodes: the only place where file data passes through this
// process.
#pragma once

#include <functional>

#include "fuse/device.h"
#include "fuse/served.h"

namespace coral::fuse {

using DamageReport = std::function<void(uint64_t ino, const Damage& damage)>;

class DataReplies {
 public:
  // `report` is called from any thread.
  DataReplies(const Device& device, DamageReport report)
      : device_(device), report_(std::move(report)) {}

  // Answers what takes less time than giving it to another thread: an LSEEK, a READ of a small
  // packed file that the page cache has. False for the rest.
  bool AnswerAtOnce(const Request& request, const Served& served) const;
  // Answers a READ of a plain inode whose data is in the page cache; false where it is not. `done`
  // counts the bytes that are in place already; give it to Answer.
  bool AnswerFromCache(const Request& request, const Served& served, size_t* done) const;
  // Answers; may wait for a medium.
  void Answer(const Request& request, const Served& served, size_t done = 0) const;

 private:
  void Seek(const Request& request, const DataSource& source) const;
  void Send(const Request& request, const ReadResult& result) const;
  void ReadPlain(const Request& request, int fd, size_t done) const;
  void ReadPacked(const Request& request, DataSource& source) const;
  void Write(const Request& request, const Served& served) const;

  const Device& device_;
  DamageReport report_;
};

}  // namespace coral::fuse
