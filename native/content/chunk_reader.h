// Reads a file in order and cuts it into batches of chunks.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "content/chunker.h"
#include "content/hash.h"
#include "io/copy_control.h"
#include "io/copy_digest.h"
#include "io/status.h"
#include "io/unique_fd.h"

namespace coral {

// One span of a file, cut and then hashed. Never changes from then on.
struct ChunkBatch {
  std::shared_ptr<const uint8_t> bytes;
  std::vector<uint32_t> starts;  // Offset of each chunk in `bytes`.
  std::vector<uint32_t> lengths;
  std::vector<Hash> hashes;   // Of zero chunks: zeros.
  std::vector<uint8_t> zero;  // 1 where the chunk is zeros throughout.

  size_t count() const { return lengths.size(); }
  const uint8_t* chunk(size_t i) const { return bytes.get() + starts[i]; }
};

// Names the chunks of a batch that is cut, with so many threads of WorkerPool::Background() beside
// the caller's.
void HashChunks(ChunkBatch& batch, unsigned helpers);

class ChunkReader {
 public:
  // `fd` is a duplicate of its own. A batch has about `batch_bytes`, at least one chunk of maximal
  // length. `cuts` are offsets, ascending, at which a chunk ends whatever its content.
  ChunkReader(UniqueFd fd, const ChunkLimits& limits, uint64_t batch_bytes,
              std::vector<uint64_t> cuts);

  // The next batch, not hashed yet; null at the end. One call at a time, on a thread that may wait
  // for the background rate. ECANCELED after Cancel.
  Status Next(std::shared_ptr<ChunkBatch>* batch);

  // Closes the file and frees memory. Not during Next, and no Next afterwards.
  void Release();

  // The rest: any thread.
  void Cancel() { control_.Cancel(); }
  uint64_t bytes_read() const { return control_.done(); }
  // False while the end was not reached.
  bool Digest(FileDigest::Value* value) const;

 private:
  Status Fill(uint8_t* data, size_t capacity, size_t* filled);
  Status FillStep(uint8_t* data, size_t capacity, size_t* got);
  uint64_t NextCutAfter(uint64_t offset);
  std::shared_ptr<ChunkBatch> CutBatch(std::shared_ptr<uint8_t> bytes, size_t filled);

  UniqueFd fd_;
  const ChunkLimits limits_;
  const size_t batch_bytes_;
  const std::vector<uint64_t> cuts_;
  CopyControl control_;

  // Used by one Next at a time.
  Status failed_;  // For good: what a failed Fill had read is lost.
  uint64_t position_ = 0;
  size_t next_cut_ = 0;
  bool at_end_ = false;
  FileDigest digest_;
  std::shared_ptr<uint8_t> rest_bytes_;  // Holds the bytes after the last cut of the batch before.
  size_t rest_start_ = 0;
  size_t rest_length_ = 0;

  mutable std::mutex mutex_;
  bool complete_ = false;             // guarded by mutex_
  FileDigest::Value final_digest_{};  // guarded by mutex_
};

}  // namespace coral
