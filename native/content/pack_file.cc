#include "content/pack_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

#include <cstring>
#include <map>

#include "content/byte_planes.h"
#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/files.h"

namespace coral {

namespace {

std::mutex open_packs_mutex;
// guarded by open_packs_mutex; never destroyed, since pool threads outlive main.
auto& open_packs = *new std::map<std::string, std::weak_ptr<PackFile>>;

bool IsSameFile(int fd, const std::string& path) {
  struct stat held;
  struct stat named;
  return fstat(fd, &held) == 0 && stat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

uint64_t NextId() {
  static std::atomic<uint64_t> next = 1;
  return next++;
}

void ForgetClosed() {
  std::erase_if(open_packs, [](const auto& entry) { return entry.second.expired(); });
}

// One place where an identity may stand.
HeaderState ReadIdentityAt(int fd, uint64_t offset, PackIdentity* identity) {
  uint8_t bytes[kPackHeaderSize];
  size_t got = 0;
  if (!ReadAt(fd, bytes, sizeof bytes, offset, &got).ok() || got < sizeof bytes) {
    return HeaderState::kInvalid;
  }
  return DecodePackHeader(bytes, identity);
}

HeaderState ReadFooterIdentity(int fd, uint64_t file_length, PackIdentity* identity) {
  uint8_t bytes[kPackFooterSize];
  size_t got = 0;
  if (file_length < kFirstRecord + kPackFooterSize) return HeaderState::kInvalid;
  if (!ReadAt(fd, bytes, sizeof bytes, file_length - kPackFooterSize, &got).ok() ||
      got < sizeof bytes) {
    return HeaderState::kInvalid;
  }
  PackFooter footer;
  const auto state = DecodePackFooter(bytes, file_length, &footer);
  if (state == HeaderState::kValid) *identity = footer.identity;
  return state;
}

// False where it is not one frame of just that length.
bool Decompress(const RecordHeader& header, const uint8_t* payload, uint8_t* data) {
  thread_local const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                                  &ZSTD_freeDCtx);
  // zstd bounds itself by the capacity, whatever the frame says of its size.
  const size_t got =
      ZSTD_decompressDCtx(context.get(), data, header.length, payload, header.payload);
  return ZSTD_isError(got) == 0 && got == header.length;
}

}  // namespace

Status ReadIdentity(int fd, uint64_t file_length, const std::string& path, PackIdentity* identity) {
  auto state = ReadIdentityAt(fd, 0, identity);
  if (state == HeaderState::kInvalid) state = ReadIdentityAt(fd, kPackHeaderCopy, identity);
  if (state == HeaderState::kInvalid) state = ReadFooterIdentity(fd, file_length, identity);
  switch (state) {
    case HeaderState::kValid:
      return Status::Ok();
    case HeaderState::kOtherVersion:
      return Status::Error(EPROTONOSUPPORT, "pack format version", path);
    case HeaderState::kInvalid:
      break;
  }
  return Status::Error(EBADMSG, "pack header", path);
}

bool PayloadIsGood(const RecordHeader& header, const uint8_t* payload) {
  return Checksum(payload, header.payload) == header.checksum;
}

bool DecodePayload(const RecordHeader& header, const uint8_t* payload, uint8_t* data) {
  if (header.codec == Codec::kAsIs) {
    memcpy(data, payload, header.length);
    return true;
  }
  if (header.planes == 0) return Decompress(header, payload, data);
  const auto split = TakeBuffer(header.length);
  if (!Decompress(header, payload, split.get())) return false;
  JoinPlanes(split.get(), header.length, header.planes, data);
  return true;
}

Status PackFile::Open(const std::string& path, std::shared_ptr<PackFile>* pack) {
  std::lock_guard lock(open_packs_mutex);
  const auto found = open_packs.find(path);
  if (found != open_packs.end()) {
    *pack = found->second.lock();
    if (*pack != nullptr && IsSameFile((*pack)->fd(), path)) return Status::Ok();
  }
  UniqueFd fd;
  auto status = io::OpenRegular(path, O_RDONLY, &fd);
  if (!status.ok()) return status;
  *pack = std::make_shared<PackFile>(std::move(fd), path);
  ForgetClosed();
  open_packs[path] = *pack;
  return Status::Ok();
}

PackFile::PackFile(UniqueFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), id_(NextId()) {}

Status PackFile::Seed(uint64_t* seed) {
  if (!known_) {
    struct stat attributes;
    if (fstat(fd(), &attributes) != 0) return Status::FromErrno("fstat", path_);
    PackIdentity identity;
    auto status = ReadIdentity(fd(), static_cast<uint64_t>(attributes.st_size), path_, &identity);
    if (!status.ok()) return status;
    // Two threads may both get here; they store the same.
    seed_ = identity.Seed();
    known_ = true;
  }
  *seed = seed_;
  return Status::Ok();
}

}  // namespace coral
