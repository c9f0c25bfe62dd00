// The batches of a file, made ahead of who takes them: while some are hashed the next one is read
// and cut. Reading, cutting and hashing one after the other would leave processors idle.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "content/chunk_reader.h"

namespace coral {

class BatchesAhead : public std::enable_shared_from_this<BatchesAhead> {
 public:
  struct Step {
    Status status;
    std::shared_ptr<const ChunkBatch> batch;  // Null at the end, and with an error.
  };
  using Taker = std::function<void(const Step&)>;

  explicit BatchesAhead(std::shared_ptr<ChunkReader> reader) : reader_(std::move(reader)) {}

  // The next one in the order of the file, at once where it is made; else `later` gets it, on
  // whichever thread, before the next call. An end or an error stays, for whoever asks again.
  std::optional<Step> Take(Taker later);

  // Whoever waits gets ECANCELED. Not followed by Take.
  void Close();

 private:
  // One batch; made once `step` is there.
  using Place = std::shared_ptr<std::optional<Step>>;

  void StartNext();  // mutex_ held
  void MakeNext();
  std::optional<Step> TakeFirst();  // mutex_ held
  void Finish(const Place& place, Step step);

  const std::shared_ptr<ChunkReader> reader_;

  std::mutex mutex_;
  // The rest is guarded by mutex_.
  std::deque<Place> ahead_;
  Taker waiting_;
  bool reading_ = false;
  bool ended_ = false;
  bool closed_ = false;
};

}  // namespace coral
