#include "io/dedupe.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <vector>

#include "io/files.h"

namespace coral {

namespace {

// One call. `*done` is 0 where the files differ.
Status DedupeOnce(const FilePair& pair, uint64_t offset, uint64_t length, uint64_t* done) {
  alignas(file_dedupe_range)
      uint8_t memory[sizeof(file_dedupe_range) + sizeof(file_dedupe_range_info)] = {};
  auto* request = reinterpret_cast<file_dedupe_range*>(memory);
  request->src_offset = offset;
  request->src_length = length;
  request->dest_count = 1;
  auto& target = request->info[0];
  target.dest_fd = pair.target;
  target.dest_offset = offset;
  constexpr const char* kCall = "ioctl(FIDEDUPERANGE)";
  if (ioctl(pair.source, FIDEDUPERANGE, request) != 0) return Status::FromErrno(kCall);
  if (target.status < 0) return Status::Error(-target.status, kCall);
  *done = target.status == FILE_DEDUPE_RANGE_SAME ? target.bytes_deduped : 0;
  return Status::Ok();
}

}  // namespace

Status MeasurePair(int source, int target, FilePair* pair) {
  struct stat source_stat;
  struct stat target_stat;
  struct statfs filesystem;
  if (fstat(source, &source_stat) != 0 || fstat(target, &target_stat) != 0) {
    return Status::FromErrno("fstat");
  }
  if (fstatfs(target, &filesystem) != 0) return Status::FromErrno("fstatfs");
  *pair = {source, target};
  pair->block = std::max(pair->block, static_cast<uint64_t>(filesystem.f_bsize));
  pair->size = static_cast<uint64_t>(std::min(source_stat.st_size, target_stat.st_size));
  // A last block that is not full can be shared only as the last one of both.
  if (source_stat.st_size != target_stat.st_size) pair->size -= pair->size % pair->block;
  return Status::Ok();
}

Status Dedupe(const FilePair& pair, uint64_t begin, uint64_t end, uint64_t* shared) {
  if (end != pair.size) end -= end % pair.block;
  while (begin < end) {
    uint64_t done = 0;
    auto status = DedupeOnce(pair, begin, std::min(end - begin, kDedupeLimit), &done);
    if (!status.ok() || done == 0) return status;
    *shared += done;
    begin += done;
  }
  return Status::Ok();
}

bool CanShareIn(const std::string& directory) {
  UniqueFd files[2];
  FilePair pair{-1, -1};
  for (auto& file : files) {
    if (!io::Open(directory, O_TMPFILE | O_RDWR, 0600, &file).ok()) return false;
  }
  if (!MeasurePair(files[0].get(), files[1].get(), &pair).ok()) return false;
  const std::vector<char> block(pair.block, 'x');
  for (const auto& file : files) {
    if (!io::WriteFully(file.get(), block.data(), block.size(), 0).ok()) return false;
  }
  pair.size = pair.block;
  uint64_t shared = 0;
  return Dedupe(pair, 0, pair.size, &shared).ok() && shared == pair.size;
}

}  // namespace coral
