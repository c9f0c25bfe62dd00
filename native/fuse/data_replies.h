// Answers READ and WRITE of served inodes: the only place where file data passes through this
// process.
#pragma once

#include "fuse/damaged_reads.h"
#include "fuse/device.h"
#include "fuse/served.h"

namespace coral::fuse {

class DataReplies {
 public:
  DataReplies(const Device& device, DamagedReads& damaged) : device_(device), damaged_(damaged) {}

  // Answers what takes less time than giving it to another thread: an LSEEK, a READ of a small
  // packed file that the page cache has. False for the rest.
  bool AnswerAtOnce(const Request& request, const Served& served) const;
  // Answers a READ of a plain inode whose data is in the page cache; false where it is not. `done`
  // counts the bytes that are in place already; give it to Answer.
  bool AnswerFromCache(const Request& request, const Served& served, size_t* done) const;
  // Answers; may wait for a medium. Takes a READ that meets damaged data away.
  void Answer(Request& request, const Served& served, size_t done = 0) const;

 private:
  void Seek(const Request& request, const DataSource& source) const;
  void Send(const Request& request, const ReadResult& result) const;
  void ReadPlain(const Request& request, int fd, size_t done) const;
  void ReadPacked(Request& request, DataSource& source) const;
  void Write(const Request& request, const Served& served) const;

  const Device& device_;
  DamagedReads& damaged_;
};

}  // namespace coral::fuse
