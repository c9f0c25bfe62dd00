// Which inodes native threads serve, and from what.
#pragma once

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

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<const Served>> inodes_;  // guarded by mutex_
};

}  // namespace coral::fuse
