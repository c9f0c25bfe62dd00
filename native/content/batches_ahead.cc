#include "content/batches_ahead.h"

#include <utility>

#include "io/copy_rate.h"

namespace coral {

namespace {

// Batches that are hashed or wait to be taken: so many that making them goes on while whoever takes
// them is held up for a moment.
constexpr size_t kAhead = 4;

}  // namespace

std::optional<BatchesAhead::Step> BatchesAhead::Take(Taker later) {
  std::lock_guard lock(mutex_);
  auto step = TakeFirst();
  if (!step) waiting_ = std::move(later);
  StartNext();
  return step;
}

void BatchesAhead::Close() {
  Taker waiting;
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    ahead_.clear();
    reader_->Cancel();
    if (!reading_) reader_->Release();
    waiting = std::exchange(waiting_, nullptr);
  }
  if (waiting) waiting({Status::Error(ECANCELED, "next"), nullptr});
}

void BatchesAhead::StartNext() {
  if (reading_ || ended_ || closed_ || ahead_.size() >= kAhead) return;
  reading_ = true;
  CopyPool().Submit([self = shared_from_this()] { self->MakeNext(); });
}

void BatchesAhead::MakeNext() {
  std::shared_ptr<ChunkBatch> batch;
  const auto status = reader_->Next(&batch);
  const auto place = std::make_shared<std::optional<Step>>();
  {
    std::lock_guard lock(mutex_);
    reading_ = false;
    if (closed_) {
      reader_->Release();
      return;
    }
    ended_ = batch == nullptr;
    ahead_.push_back(place);
    StartNext();
  }
  // On this thread: what was just read is in its processor's caches.
  if (batch != nullptr) HashChunks(*batch, 0);
  Finish(place, {status, std::move(batch)});
}

void BatchesAhead::Finish(const Place& place, Step step) {
  Taker waiting;
  std::optional<Step> first;
  {
    std::lock_guard lock(mutex_);
    *place = std::move(step);
    if (waiting_) first = TakeFirst();
    if (!first) return;
    waiting = std::exchange(waiting_, nullptr);
    StartNext();
  }
  waiting(*first);
}

std::optional<BatchesAhead::Step> BatchesAhead::TakeFirst() {
  if (ahead_.empty() || !ahead_.front()->has_value()) return std::nullopt;
  auto step = **ahead_.front();
  if (step.batch != nullptr) ahead_.pop_front();
  return step;
}

}  // namespace coral
