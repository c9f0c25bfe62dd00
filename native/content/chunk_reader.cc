#include "content/chunk_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "content/parallel.h"
#include "io/copy_buffer.h"
#include "io/copy_extents.h"
#include "io/copy_rate.h"

namespace coral {

namespace {

constexpr size_t kStep = 1 << 20;
constexpr uint64_t kMaxBatch = 64 << 20;

}  // namespace

void HashChunks(ChunkBatch& batch, unsigned helpers) {
  batch.hashes.resize(batch.count());
  ParallelFor(WorkerPool::Background(), helpers, batch.count(), [&batch](size_t i) {
    batch.hashes[i] = batch.zero[i] != 0 ? Hash{} : Sha256(batch.chunk(i), batch.lengths[i]);
  });
}

ChunkReader::ChunkReader(UniqueFd fd, const ChunkLimits& limits, uint64_t batch_bytes,
                         std::vector<uint64_t> cuts)
    : fd_(std::move(fd)),
      limits_(limits),
      batch_bytes_(std::clamp<uint64_t>(batch_bytes, limits.max, kMaxBatch)),
      cuts_(std::move(cuts)) {}

bool ChunkReader::Digest(FileDigest::Value* value) const {
  std::lock_guard lock(mutex_);
  if (complete_) *value = final_digest_;
  return complete_;
}

void ChunkReader::Release() {
  fd_.reset();
  rest_bytes_.reset();
}

Status ChunkReader::Next(std::shared_ptr<ChunkBatch>* batch) {
  batch->reset();
  if (!failed_.ok()) return failed_;
  const size_t capacity = rest_length_ + batch_bytes_;
  auto bytes = TakeBuffer(capacity);
  if (rest_length_ > 0) memcpy(bytes.get(), rest_bytes_.get() + rest_start_, rest_length_);
  size_t filled = rest_length_;
  failed_ = Fill(bytes.get(), capacity, &filled);
  if (!failed_.ok()) return failed_;
  if (at_end_) {
    std::lock_guard lock(mutex_);
    final_digest_ = digest_.Finish();
    complete_ = true;
  }
  if (filled > 0) *batch = CutBatch(std::move(bytes), filled);
  return Status::Ok();
}

Status ChunkReader::Fill(uint8_t* data, size_t capacity, size_t* filled) {
  const uint64_t start = position_;
  while (!at_end_ && *filled < capacity) {
    size_t got = 0;
    auto status = FillStep(data + *filled, std::min(kStep, capacity - *filled), &got);
    if (!status.ok()) return status;
    digest_.Update(data + *filled, got);
    *filled += got;
    position_ += got;
    control_.Add(got);
    at_end_ = got == 0;
  }
  // A file that is being packed is cold: reading it must not push hot ones out of the page cache.
  posix_fadvise(fd_.get(), static_cast<off_t>(start), static_cast<off_t>(position_ - start),
                POSIX_FADV_DONTNEED);
  return Status::Ok();
}

// Reads, or fills in a hole without reading. `*got` is 0 at the end of the file.
Status ChunkReader::FillStep(uint8_t* data, size_t capacity, size_t* got) {
  if (control_.cancelled()) return Status::Error(ECANCELED, "read");
  struct stat attributes;
  if (fstat(fd_.get(), &attributes) != 0) return Status::FromErrno("fstat");
  const auto size = static_cast<uint64_t>(attributes.st_size);
  if (position_ >= size) return Status::Ok();
  Extent extent;
  auto status = ExtentAt(fd_.get(), position_, size, &extent);
  if (!status.ok()) return status;
  const auto want = static_cast<size_t>(std::min<uint64_t>(extent.length, capacity));
  if (extent.hole) {
    memset(data, 0, want);
    *got = want;
    return Status::Ok();
  }
  status = PassBackground(want, &control_);
  if (!status.ok()) return status;
  return ReadAt(fd_.get(), data, want, position_, got);
}

uint64_t ChunkReader::NextCutAfter(uint64_t offset) {
  while (next_cut_ < cuts_.size() && cuts_[next_cut_] <= offset) next_cut_++;
  return next_cut_ < cuts_.size() ? cuts_[next_cut_] : UINT64_MAX;
}

std::shared_ptr<ChunkBatch> ChunkReader::CutBatch(std::shared_ptr<uint8_t> bytes, size_t filled) {
  auto batch = std::make_shared<ChunkBatch>();
  size_t start = 0;
  while (start < filled) {
    const uint64_t offset = position_ - filled + start;
    const uint64_t until_cut = NextCutAfter(offset) - offset;
    const size_t size = std::min<uint64_t>(filled - start, until_cut);
    const bool whole = at_end_ || size == until_cut || size >= limits_.max;
    if (!whole) break;
    const auto cut = FirstCut(bytes.get() + start, size, limits_);
    batch->starts.push_back(static_cast<uint32_t>(start));
    batch->lengths.push_back(cut.length);
    batch->zero.push_back(cut.zero ? 1 : 0);
    start += cut.length;
  }
  rest_start_ = start;
  rest_length_ = filled - start;
  rest_bytes_ = rest_length_ > 0 ? bytes : nullptr;
  batch->bytes = std::move(bytes);
  return batch;
}

}  // namespace coral
