#include "content/file_group.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "content/parallel.h"
#include "content/plan_jobs.h"
#include "io/copy_buffer.h"
#include "io/copy_rate.h"
#include "io/files.h"

namespace coral {

namespace {

bool IsAnother(const FileGroup::File& file, const struct stat& found) {
  if (!file.identity) return false;
  return static_cast<double>(found.st_dev) != file.identity->device ||
         static_cast<double>(found.st_ino) != file.identity->inode;
}

Status ReadFile(FileGroup::File& file, uint8_t* into) {
  UniqueFd fd;
  auto status = io::OpenRegular(file.path, O_RDONLY | O_NOATIME | O_NOFOLLOW, &fd);
  if (!status.ok()) return status;
  struct stat attributes;
  if (fstat(fd.get(), &attributes) != 0) return Status::FromErrno("fstat");
  if (IsAnother(file, attributes)) return Status::Error(ESTALE, "read");
  if (static_cast<uint64_t>(attributes.st_size) != file.length) return Status::Error(EIO, "read");
  size_t got = 0;
  status = io::ReadFully(fd.get(), reinterpret_cast<char*>(into), file.length, 0, &got);
  if (!status.ok()) return status;
  if (got < file.length) return Status::Error(EIO, "read");
  FileDigest digest;
  digest.Update(into, file.length);
  file.digest = digest.Finish();
  // As in ChunkReader: what is being packed is cold.
  posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  return Status::Ok();
}

void AppendChunks(const FileGroup::Cutting& how, size_t start, size_t length, const uint8_t* bytes,
                  ChunkBatch* batch) {
  auto next_cut = how.cuts.begin();
  for (size_t at = 0; at < length;) {
    while (next_cut != how.cuts.end() && *next_cut <= at) next_cut++;
    const size_t end = next_cut == how.cuts.end() ? length : std::min<uint64_t>(length, *next_cut);
    const auto cut = FirstCut(bytes + at, end - at, how.limits);
    batch->starts.push_back(static_cast<uint32_t>(start + at));
    batch->lengths.push_back(cut.length);
    batch->zero.push_back(cut.zero ? 1 : 0);
    at += cut.length;
  }
}

}  // namespace

FileGroup::FileGroup(std::vector<File> files) : files_(std::move(files)) {
  for (auto& file : files_) {
    file.start = length_;
    length_ += file.length;
  }
  bytes_ = TakeBuffer(length_);
}

Status FileGroup::Read(const CopyControl& control) {
  for (auto& file : files_) {
    const auto passed = PassBackground(file.length, &control);
    if (!passed.ok()) return passed;
    file.error = ReadFile(file, bytes_.get() + file.start).error();
  }
  return Status::Ok();
}

Status FileGroup::ReadPlan(Plan& plan, bool from_medium, CopyControl& control) {
  if (plan.size() != length_) return Status::Error(EINVAL, "read plan");
  auto status = ReadAll(plan, from_medium, control, bytes_.get());
  if (!status.ok()) return status;
  for (auto& file : files_) {
    FileDigest digest;
    digest.Update(bytes(file), file.length);
    file.digest = digest.Finish();
  }
  return status;
}

FileGroup::Result FileGroup::Cut(const std::vector<Cutting>& files) const {
  Result result;
  auto batch = std::make_shared<ChunkBatch>();
  FileDigest digest;
  for (const auto& how : files) {
    const auto& file = files_[how.file];
    const auto before = batch->count();
    AppendChunks(how, file.start, file.length, bytes(file), batch.get());
    result.counts.push_back(static_cast<uint32_t>(batch->count() - before));
    digest.Update(bytes(file), file.length);
  }
  batch->bytes = bytes_;
  HashChunks(*batch, WorkerPool::Background().size() - 1);
  result.batch = std::move(batch);
  result.digest = digest.Finish();
  return result;
}

}  // namespace coral
