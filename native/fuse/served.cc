#include "fuse/served.h"

#include <mutex>
#include <utility>

namespace coral::fuse {

void ServedInodes::Set(uint64_t ino, std::shared_ptr<const Served> served) {
  std::unique_lock lock(mutex_);
  // Swapped, not assigned: what was there may close files, which must not happen under the lock.
  inodes_[ino].swap(served);
  lock.unlock();
}

void ServedInodes::Remove(uint64_t ino) {
  std::unique_lock lock(mutex_);
  const auto removed = inodes_.extract(ino);
  lock.unlock();
}

void ServedInodes::Clear() {
  std::unique_lock lock(mutex_);
  const auto removed = std::exchange(inodes_, {});
  lock.unlock();
}

std::shared_ptr<const Served> ServedInodes::Find(const Request& request) const {
  const bool seeks = request.header().opcode == kLseek;
  if (!seeks && !request.is_data()) return nullptr;
  std::shared_lock lock(mutex_);
  const auto found = inodes_.find(request.header().nodeid);
  // Where a plain file has holes its filesystem knows.
  if (found == inodes_.end() || (seeks && !found->second->packed)) return nullptr;
  if (!seeks) MarkCached(found->first);
  return found->second;
}

void ServedInodes::MarkCached(uint64_t ino) const {
  auto& word = cached_[ino % kMarks / kWordBits];
  const uint64_t mark = uint64_t{1} << (ino % kWordBits);
  // Mostly it is there: then the word stays in the caches of all processors.
  if ((word.load(std::memory_order_relaxed) & mark) == 0) word.fetch_or(mark);
}

bool ServedInodes::MayBeCached(uint64_t ino) const {
  const uint64_t mark = uint64_t{1} << (ino % kWordBits);
  return (cached_[ino % kMarks / kWordBits].load() & mark) != 0;
}

bool ServedInodes::empty() const {
  std::shared_lock lock(mutex_);
  return inodes_.empty();
}

}  // namespace coral::fuse
