#include "content/chunk_cache.h"

#include <array>
#include <limits>
#include <mutex>

namespace coral {

namespace {

constexpr size_t kShards = 8;
constexpr size_t kShardBytes = (64 << 20) / kShards;

struct Shard {
  std::mutex mutex;
  // guarded by mutex
  RecordCache<CachedChunk> chunks{kShardBytes, std::numeric_limits<size_t>::max()};
};

// Never destroyed: pool threads outlive main.
Shard& ShardOf(const RecordKey& key) {
  static auto* shards = new std::array<Shard, kShards>;
  return (*shards)[RecordKeyHash{}(key) >> 61];
}

}  // namespace

CachedChunk FindCached(const RecordKey& key) {
  auto& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  const auto* found = shard.chunks.Find(key);
  return found == nullptr ? CachedChunk{} : *found;
}

void Cache(const RecordKey& key, CachedChunk chunk) {
  auto& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  const auto bytes = chunk.length;
  shard.chunks.Put(key, std::move(chunk), bytes);
}

void DropCached(const RecordKey& key) {
  auto& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  shard.chunks.Drop(key);
}

}  // namespace coral
