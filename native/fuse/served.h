// Which inodes native threads serve, and from what.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include "fuse/request.h"
#include "io/data_source.h"
#include "io/unique_fd.h"

namespace coral::fuse {

// Exactly one of the two is set.
struct Served {
  UniqueFd plain;
  std::shared_ptr<DataSource> packed;
};

// Requests in flight keep what they found here, so that replacing an entry closes nothing under
// them.
class ServedInodes {
 public:
  void Set(uint64_t ino, std::shared_ptr<const Served> served);
  void Remove(uint64_t ino);
  void Clear();
  // What answers `request`: a READ or WRITE, or an LSEEK in a packed file. Null for others and for
  // inodes not served.
  std::shared_ptr<const Served> Find(const Request& request) const;
  bool empty() const;
  // Whether the kernel may have data of the inode in its cache: only where Find met a READ or WRITE
  // of it. Says so of some others too.
  bool MayBeCached(uint64_t ino) const;

 private:
  // Numbers of inodes are given in order: so many of them before two share a bit.
  static constexpr size_t kMarks = size_t{1} << 21;
  static constexpr size_t kWordBits = 64;

  void MarkCached(uint64_t ino) const;

  mutable std::shared_mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<const Served>> inodes_;  // guarded by mutex_
  mutable std::array<std::atomic<uint64_t>, kMarks / kWordBits> cached_ = {};
};

}  // namespace coral::fuse
