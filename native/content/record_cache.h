// What was made of records, of which that is kept which was used last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

namespace coral {

// Names a record: PackFile::id and its offset there.
struct RecordKey {
  uint64_t pack = 0;
  uint64_t offset = 0;

  bool operator==(const RecordKey&) const = default;
};

struct RecordKeyHash {
  size_t operator()(const RecordKey& key) const {
    return (key.offset ^ (key.pack << 40)) * 0x9E3779B97F4A7C15;
  }
};

// One thread at a time.
template <typename Value>
class RecordCache {
 public:
  RecordCache(size_t most_bytes, size_t most_values)
      : most_bytes_(most_bytes), most_values_(most_values) {}

  // Null where nothing is kept. Valid until the next call.
  Value* Find(const RecordKey& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second);
    return &found->second->value;
  }

  // Of what is there already the value stays.
  void Put(const RecordKey& key, Value value, size_t bytes) {
    if (by_key_.contains(key)) return;
    order_.push_front({key, std::move(value), bytes});
    by_key_[key] = order_.begin();
    bytes_ += bytes;
    Shrink();
  }

  // Of what is not there nothing happens.
  void Resize(const RecordKey& key, size_t bytes) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    bytes_ += bytes - std::exchange(found->second->bytes, bytes);
    Shrink();
  }

  void Drop(const RecordKey& key) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return;
    bytes_ -= found->second->bytes;
    order_.erase(found->second);
    by_key_.erase(found);
  }

 private:
  struct Kept {
    RecordKey key;
    Value value;
    size_t bytes;
  };

  void Shrink() {
    while (bytes_ > most_bytes_ || order_.size() > most_values_) {
      const auto key = order_.back().key;
      Drop(key);
    }
  }

  const size_t most_bytes_;
  const size_t most_values_;
  std::list<Kept> order_;  // Most recently used first.
  std::unordered_map<RecordKey, typename std::list<Kept>::iterator, RecordKeyHash> by_key_;
  size_t bytes_ = 0;
};

}  // namespace coral
