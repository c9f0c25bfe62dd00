#include "content/parity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "content/pack_file.h"
#include "io/copy_bytes.h"
#include "io/copy_rate.h"
#include "io/files.h"
#include "io/unique_fd.h"

namespace coral {

namespace {

// Offset of the length that it covers, in the header.
constexpr size_t kLengthAt = 40;
constexpr uint8_t kMagic[8] = {'C', 'R', 'P', 'A', 'R', 'I', 'T', 'Y'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderSize = kParityBlock;
// Of its header block, what the checksum covers beside the stripes.
constexpr size_t kFields = 56;
constexpr uint64_t kFewestStripes = 8;
// Blocks per stripe that parity is made for: it takes this share of a pack, or up to twice that.
constexpr uint64_t kStripeBlocks = 512;
constexpr size_t kReadLength = 1 << 20;

using Bytes = std::vector<uint8_t>;

// A power of two, so that the parity for fewer stripes follows from that for more.
uint64_t StripesFor(uint64_t length) {
  const uint64_t blocks = (length + kParityBlock - 1) / kParityBlock;
  const uint64_t wanted = std::bit_ceil((blocks + kStripeBlocks - 1) / kStripeBlocks);
  return std::clamp(wanted, kFewestStripes, kMostStripes);
}

// Adds bytes that lie at `offset` to `stripes`.
void AddTo(Bytes& stripes, uint64_t offset, const uint8_t* data, size_t length) {
  for (uint64_t at = offset % stripes.size(); length > 0; at = 0) {
    const size_t part = std::min<size_t>(length, stripes.size() - at);
    Xor(&stripes[at], data, part);
    data += part;
    length -= part;
  }
}

iovec Part(const Bytes& bytes) { return {const_cast<uint8_t*>(bytes.data()), bytes.size()}; }

Bytes HeaderOf(const PackIdentity& identity, uint64_t length, const Bytes& stripes) {
  Bytes header(kHeaderSize);
  const uint64_t count = stripes.size() / kParityBlock;
  memcpy(&header[0], kMagic, sizeof kMagic);
  memcpy(&header[8], &kVersion, sizeof kVersion);
  memcpy(&header[16], &identity.pack_id, sizeof identity.pack_id);
  memcpy(&header[24], identity.volume_id.data(), identity.volume_id.size());
  memcpy(&header[kLengthAt], &length, sizeof length);
  memcpy(&header[48], &count, sizeof count);
  const uint64_t sums[] = {Checksum(header.data(), kFields),
                           Checksum(stripes.data(), stripes.size())};
  memcpy(&header[kFields], sums, sizeof sums);
  return header;
}

Status WriteBeside(const std::string& path, const Bytes& header, const Bytes& stripes) {
  const auto fresh = path + ".new";
  unlink(fresh.c_str());  // A crash may have left one.
  UniqueFd fd(open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return Status::FromErrno("open", fresh);
  auto status = WriteAt(fd.get(), {Part(header), Part(stripes)}, 0);
  // Before the name: who finds it takes it for whole.
  if (status.ok() && fdatasync(fd.get()) != 0) status = Status::FromErrno("fdatasync", fresh);
  if (status.ok() && rename(fresh.c_str(), path.c_str()) != 0) {
    status = Status::FromErrno("rename", fresh);
  }
  if (!status.ok()) unlink(fresh.c_str());
  return status;
}

}  // namespace

void Xor(uint8_t* into, const uint8_t* from, size_t length) {
  using Vector __attribute__((vector_size(32))) = uint64_t;
  size_t done = 0;
  for (; done + sizeof(Vector) <= length; done += sizeof(Vector)) {
    Vector a;
    Vector b;
    memcpy(&a, into + done, sizeof a);
    memcpy(&b, from + done, sizeof b);
    a ^= b;
    memcpy(into + done, &a, sizeof a);
  }
  for (; done < length; done++) into[done] ^= from[done];
}

void Parity::Add(uint64_t offset, const void* data, size_t length) {
  AddTo(stripes_, offset, static_cast<const uint8_t*>(data), length);
}

Status Parity::Write(const std::string& pack_path, const PackIdentity& identity,
                     uint64_t length) const {
  Bytes folded(StripesFor(length) * kParityBlock);
  AddTo(folded, 0, stripes_.data(), stripes_.size());
  return WriteBeside(ParityPath(pack_path), HeaderOf(identity, length, folded), folded);
}

std::string ParityPath(const std::string& pack_path) {
  constexpr std::string_view kSuffix = ".pack";
  const bool ends = pack_path.ends_with(kSuffix);
  return pack_path.substr(0, pack_path.size() - (ends ? kSuffix.size() : 0)) + ".parity";
}

Status ReadParity(const std::string& pack_path, const PackIdentity& identity, uint64_t file_length,
                  StoredParity* parity) {
  const auto path = ParityPath(pack_path);
  const auto bad = Status::Error(EBADMSG, "parity", path);
  UniqueFd fd;
  auto status = io::OpenRegular(path, O_RDONLY, &fd);
  if (!status.ok()) return status;
  Bytes header(kHeaderSize);
  size_t got = 0;
  status = ReadAt(fd.get(), header.data(), header.size(), 0, &got);
  if (!status.ok() || got < header.size()) return bad;
  auto& [length, stripes] = *parity;
  memcpy(&length, &header[kLengthAt], sizeof length);
  if (length > file_length) return bad;
  stripes.resize(StripesFor(length) * kParityBlock);
  status = ReadAt(fd.get(), stripes.data(), stripes.size(), kHeaderSize, &got);
  if (!status.ok() || got < stripes.size()) return bad;
  return header == HeaderOf(identity, length, stripes) ? Status::Ok() : bad;
}

Status MakeParity(const std::string& pack_path, CopyControl& control) {
  UniqueFd fd;
  auto status = io::OpenRegular(pack_path, O_RDONLY, &fd);
  if (!status.ok()) return status;
  struct stat attributes;
  if (fstat(fd.get(), &attributes) != 0) return Status::FromErrno("fstat", pack_path);
  const auto length = static_cast<uint64_t>(attributes.st_size);
  PackIdentity identity;
  status = ReadIdentity(fd.get(), length, pack_path, &identity);
  Parity parity;
  Bytes data(kReadLength);
  for (uint64_t at = 0; status.ok() && at < length;) {
    status = PassBackground(data.size(), &control);
    if (!status.ok()) return status;
    size_t got = 0;
    status = ReadAt(fd.get(), data.data(), data.size(), at, &got);
    if (!status.ok()) return Status::Error(status.error(), status.syscall(), pack_path);
    if (got == 0) return Status::Error(EBADMSG, "parity", pack_path);
    parity.Add(at, data.data(), got);
    at += got;
  }
  return status.ok() ? parity.Write(pack_path, identity, length) : status;
}

}  // namespace coral
