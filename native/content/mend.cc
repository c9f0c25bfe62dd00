#include "content/mend.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "content/hash.h"
#include "content/pack_file.h"
#include "content/parity.h"
#include "content/plan.h"
#include "io/copy_bytes.h"
#include "io/files.h"
#include "io/unique_fd.h"

namespace coral {

namespace {

using Bytes = std::vector<uint8_t>;

iovec Part(const Bytes& bytes) { return {const_cast<uint8_t*>(bytes.data()), bytes.size()}; }

// A pack with its parity.
class Mender {
 public:
  Mender(const std::string& path, const PackIdentity& identity, const CopyControl& control)
      : path_(path), identity_(identity), seed_(identity.Seed()), control_(control) {}

  Status Open();
  // Mends the record, and those before it in its chain. False where one of them can't be.
  bool Mend(uint64_t offset, uint32_t stored);

 private:
  // One record, and which of its blocks the medium gave.
  struct Record {
    uint64_t offset = 0;
    Bytes bytes;
    uint64_t first = 0;  // Block of its first byte.
    uint64_t blocks = 0;
    std::vector<bool> lost;
  };

  bool MendAlone(uint64_t offset, uint32_t stored);
  uint32_t StoredAt(uint64_t offset) const;
  bool Try(const Record& record);
  Record Read(uint64_t offset, uint64_t length) const;
  bool IsGood(const Record& record, RecordHeader* header) const;
  Bytes Reconstruct(const Record& record, std::vector<bool>* known) const;
  void AddOthers(int64_t at, Bytes& blocks, std::vector<bool>* known) const;
  static void Replace(Record& record, uint64_t from, uint64_t to, const Bytes& blocks);
  bool Write(const Record& mended, const Record& before, const Bytes& blocks) const;

  const std::string path_;
  const PackIdentity identity_;
  const uint64_t seed_;
  const CopyControl& control_;
  UniqueFd fd_;
  uint64_t file_length_ = 0;
  StoredParity parity_;
  std::map<uint64_t, bool> seen_;  // By offset.
};

Status Mender::Open() {
  auto status = io::OpenRegular(path_, O_RDWR, &fd_);
  if (!status.ok()) return status;
  struct stat attributes;
  if (fstat(fd_.get(), &attributes) != 0) return Status::FromErrno("fstat", path_);
  file_length_ = static_cast<uint64_t>(attributes.st_size);
  PackIdentity found;
  status = ReadIdentity(fd_.get(), file_length_, path_, &found);
  if (!status.ok()) return status;
  if (found.Seed() != seed_) return Status::Error(EBADMSG, "pack identity", path_);
  return ReadParity(path_, identity_, file_length_, &parity_);
}

bool Mender::Mend(uint64_t offset, uint32_t stored) {
  if (!MendAlone(offset, stored)) return false;
  RecordHeader header;
  if (!IsGood(Read(offset, stored), &header) || header.before > offset) return false;
  // What it says of its chain has no gaps, but may have headers that are lost.
  for (uint64_t at = offset - header.before; at < offset;) {
    const uint32_t length = StoredAt(at);
    if (length == 0 || at + length > offset || !MendAlone(at, length)) return false;
    at += length;
  }
  return true;
}

// The length of the record that starts there, as its header says or should; 0 where nothing does.
uint32_t Mender::StoredAt(uint64_t offset) const {
  auto start = Read(offset, kRecordHeaderSize);
  RecordHeader header;
  if (DecodeRecordHeader(start.bytes.data(), seed_, offset, &header)) return header.stored();
  std::vector<bool> known;
  const auto blocks = Reconstruct(start, &known);
  for (uint64_t from = 0; from < start.blocks; from++) {
    for (uint64_t to = from + 1; to <= start.blocks; to++) {
      auto tried = start;
      Replace(tried, from, to, blocks);
      if (DecodeRecordHeader(tried.bytes.data(), seed_, offset, &header)) return header.stored();
    }
  }
  return 0;
}

bool Mender::MendAlone(uint64_t offset, uint32_t stored) {
  const auto known = seen_.find(offset);
  if (known != seen_.end()) return known->second;
  if (stored < kRecordHeaderSize || stored > file_length_ || offset > file_length_ - stored) {
    return false;
  }
  const auto record = Read(offset, stored);
  RecordHeader header;
  const bool good = IsGood(record, &header) || (offset + stored <= parity_.length && Try(record));
  return seen_[offset] = good;
}

// Which blocks are damaged the medium says only of those that it can't read. So each run of blocks
// is tried, since what a medium loses lies together, short ones first.
bool Mender::Try(const Record& record) {
  std::vector<bool> known;
  const auto blocks = Reconstruct(record, &known);
  auto base = record;
  for (uint64_t i = 0; i < record.blocks; i++) {
    if (!record.lost[i]) continue;
    if (!known[i]) return false;
    Replace(base, i, i + 1, blocks);
  }
  RecordHeader header;
  if (IsGood(base, &header)) return Write(base, record, blocks);
  const uint64_t longest = std::min<uint64_t>(record.blocks, parity_.stripes.size() / kParityBlock);
  // Of long records, which are rare, not every length.
  const uint64_t step = record.blocks <= kMostStripes ? 1 : 16;
  for (uint64_t run = 1; run <= longest; run += step) {
    for (uint64_t from = 0; from + run <= record.blocks; from++) {
      auto tried = base;
      Replace(tried, from, from + run, blocks);
      if (IsGood(tried, &header)) return Write(tried, record, blocks);
    }
  }
  return false;
}

Mender::Record Mender::Read(uint64_t offset, uint64_t length) const {
  Record record;
  record.offset = offset;
  record.bytes.resize(length);
  record.first = offset / kParityBlock;
  record.blocks = (offset + length - 1) / kParityBlock - record.first + 1;
  record.lost.resize(record.blocks);
  size_t got = 0;
  if (ReadAt(fd_.get(), record.bytes.data(), length, offset, &got).ok()) return record;
  for (uint64_t i = 0; i < record.blocks; i++) {
    const uint64_t from = std::max(offset, (record.first + i) * kParityBlock);
    const uint64_t to = std::min(offset + length, (record.first + i + 1) * kParityBlock);
    record.lost[i] = !ReadAt(fd_.get(), &record.bytes[from - offset], to - from, from, &got).ok();
  }
  return record;
}

bool Mender::IsGood(const Record& record, RecordHeader* header) const {
  return DecodeRecordHeader(record.bytes.data(), seed_, record.offset, header) &&
         header->stored() == record.bytes.size() &&
         PayloadIsGood(*header, record.bytes.data() + kRecordHeaderSize);
}

// The blocks of a record as the rest of their stripes says; `known` are those of which it could be
// read.
Bytes Mender::Reconstruct(const Record& record, std::vector<bool>* known) const {
  const uint64_t start = record.first * kParityBlock;
  Bytes blocks(record.blocks * kParityBlock);
  known->assign(record.blocks, true);
  for (uint64_t i = 0; i < record.blocks; i++) {
    Xor(&blocks[i * kParityBlock],
        &parity_.stripes[(start + i * kParityBlock) % parity_.stripes.size()], kParityBlock);
  }
  const auto period = static_cast<int64_t>(parity_.stripes.size());
  const auto length = static_cast<int64_t>(parity_.length);
  // The places that lie whole stripes before and behind: the first so that its last block is one.
  auto at = static_cast<int64_t>(start);
  while (at + static_cast<int64_t>(blocks.size()) > period) at -= period;
  for (; at < length; at += period) {
    if (control_.cancelled()) {
      known->assign(record.blocks, false);
      break;
    }
    if (at != static_cast<int64_t>(start)) AddOthers(at, blocks, known);
  }
  return blocks;
}

// Adds what lies at `at` and follows, which may be before the start of the pack, or behind its end.
void Mender::AddOthers(int64_t at, Bytes& blocks, std::vector<bool>* known) const {
  const auto skipped = static_cast<uint64_t>(std::max<int64_t>(0, -at));
  if (skipped >= blocks.size()) return;
  const auto from = static_cast<uint64_t>(std::max<int64_t>(0, at));
  Bytes others(std::min(blocks.size() - skipped, parity_.length - from));
  size_t got = 0;
  if (!ReadAt(fd_.get(), others.data(), others.size(), from, &got).ok()) {
    for (uint64_t i = 0; i < others.size(); i += kParityBlock) {
      const auto part = std::min(kParityBlock, others.size() - i);
      if (ReadAt(fd_.get(), &others[i], part, from + i, &got).ok()) continue;
      (*known)[(skipped + i) / kParityBlock] = false;
    }
  }
  Xor(&blocks[skipped], others.data(), others.size());
}

void Mender::Replace(Record& record, uint64_t from, uint64_t to, const Bytes& blocks) {
  const uint64_t start = record.first * kParityBlock;
  const uint64_t first = std::max(record.offset, start + from * kParityBlock);
  const uint64_t last = std::min(record.offset + record.bytes.size(), start + to * kParityBlock);
  memcpy(&record.bytes[first - record.offset], &blocks[first - start], last - first);
}

// Only the record's own bytes, which were checked, but where that would take reading a block that
// the medium can't read: then all of the block is written first.
bool Mender::Write(const Record& mended, const Record& before, const Bytes& blocks) const {
  auto status = WriteAt(fd_.get(), {Part(mended.bytes)}, mended.offset);
  for (uint64_t i = 0; !status.ok() && i < before.blocks; i++) {
    if (!before.lost[i]) continue;
    const uint64_t at = (before.first + i) * kParityBlock;
    const Bytes block(&blocks[i * kParityBlock],
                      &blocks[i * kParityBlock] + std::min(kParityBlock, parity_.length - at));
    if (!WriteAt(fd_.get(), {Part(block)}, at).ok()) return false;
  }
  if (!status.ok()) status = WriteAt(fd_.get(), {Part(mended.bytes)}, mended.offset);
  if (!status.ok() || fdatasync(fd_.get()) != 0) return false;
  RecordHeader header;
  return IsGood(Read(mended.offset, mended.bytes.size()), &header);
}

// Whether the record decodes to its chunk, now, from the medium.
bool Decodes(const std::string& path, const PackIdentity& identity, const ChunkRecord& record) {
  PlanDescription row;
  row.size = record.length;
  row.lengths = {record.length};
  row.packs = {0};
  row.offsets = {record.offset};
  row.stored = {record.stored};
  row.pack_paths = {path};
  row.pack_ids = {identity.pack_id};
  row.volume_id = identity.volume_id;
  std::shared_ptr<Plan> plan;
  ReadResult data;
  Damage damage;
  if (!Plan::Open(std::move(row), &plan).ok() || !plan->CheckChunks(0, 1, &data, &damage).ok()) {
    return false;
  }
  Bytes chunk;
  chunk.reserve(record.length);
  for (const auto& span : data.spans) {
    const auto* bytes = static_cast<const uint8_t*>(span.iov_base);
    chunk.insert(chunk.end(), bytes, bytes + span.iov_len);
  }
  return Sha256(chunk.data(), chunk.size()) == record.hash;
}

}  // namespace

Status MendRecords(const std::string& pack_path, const PackIdentity& identity,
                   const std::vector<ChunkRecord>& records, const CopyControl& control,
                   std::vector<uint32_t>* good) {
  // Never destroyed, since pool threads outlive main.
  static auto& one_at_a_time = *new std::mutex;
  std::lock_guard lock(one_at_a_time);
  Mender mender(pack_path, identity, control);
  auto status = mender.Open();
  if (!status.ok()) return status;
  for (const auto& record : records) {
    if (control.cancelled()) return Status::Error(ECANCELED, "mend", pack_path);
    const bool mended = mender.Mend(record.offset, record.stored);
    good->push_back(mended && Decodes(pack_path, identity, record) ? 1 : 0);
  }
  return Status::Ok();
}

}  // namespace coral
