#include "content/chunk_cache.h"

#include <array>
#include <list>
#include <mutex>
#include <unordered_map>

namespace coral {

namespace {

constexpr size_t kShards = 8;
constexpr size_t kShardBytes = (64 << 20) / kShards;

struct KeyHash {
  size_t operator()(const ChunkKey& key) const {
    return (key.offset ^ (key.pack << 40)) * 0x9E3779B97F4A7C15;
  }
};

class Shard {
 public:
  CachedChunk Find(const ChunkKey& key) {
    std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return {};
    order_.splice(order_.begin(), order_, found->second);
    return found->second->second;
  }

  void Put(const ChunkKey& key, CachedChunk chunk) {
    std::lock_guard lock(mutex_);
    if (by_key_.contains(key)) return;
    bytes_ += chunk.length;
    order_.emplace_front(key, std::move(chunk));
    by_key_[key] = order_.begin();
    while (bytes_ > kShardBytes) Erase(by_key_.find(order_.back().first));
  }

  void Drop(const ChunkKey& key) {
    std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    if (found != by_key_.end()) Erase(found);
  }

 private:
  using Order = std::list<std::pair<ChunkKey, CachedChunk>>;
  using Map = std::unordered_map<ChunkKey, Order::iterator, KeyHash>;

  void Erase(Map::iterator entry) {
    bytes_ -= entry->second->second.length;
    order_.erase(entry->second);
    by_key_.erase(entry);
  }

  std::mutex mutex_;
  Order order_;       // guarded by mutex_; most recently used first
  Map by_key_;        // guarded by mutex_
  size_t bytes_ = 0;  // guarded by mutex_
};

// Never destroyed: pool threads outlive main.
Shard& ShardOf(const ChunkKey& key) {
  static auto* shards = new std::array<Shard, kShards>;
  return (*shards)[KeyHash{}(key) >> 61];
}

}  // namespace

CachedChunk FindCached(const ChunkKey& key) { return ShardOf(key).Find(key); }

void Cache(const ChunkKey& key, CachedChunk chunk) { ShardOf(key).Put(key, std::move(chunk)); }

void DropCached(const ChunkKey& key) { ShardOf(key).Drop(key); }

}  // namespace coral
