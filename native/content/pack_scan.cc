#include "content/pack_scan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "content/chain.h"
#include "content/pack_file.h"
#include "content/pack_writer.h"
#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_rate.h"
#include "io/files.h"

namespace coral {

namespace {

constexpr size_t kWindow = 8 << 20;
static_assert(kWindow >= kMaxChunk + kRecordHeaderSize);

struct Span {
  const uint8_t* data;
  size_t length;
};

// A view of the file that slides forward. What can't be read is zeros, and so no record: an
// unreadable sector must not hide the good records behind it.
class Window {
 public:
  Window(int fd, uint64_t end, bool limited)
      : fd_(fd), end_(end), limited_(limited), buffer_(TakeBuffer(kWindow)) {}

  // What is at hand from `offset` on, at least `least` bytes (at most kWindow), or what is left.
  Span From(uint64_t offset, size_t least) {
    least = static_cast<size_t>(std::min<uint64_t>(least, end_ - offset));
    if (offset < start_ || offset + least > start_ + filled_) Load(offset);
    return {buffer_.get() + (offset - start_), static_cast<size_t>(start_ + filled_ - offset)};
  }

 private:
  void Load(uint64_t offset) {
    constexpr size_t kSector = 4096;
    start_ = offset;
    filled_ = static_cast<size_t>(std::min<uint64_t>(kWindow, end_ - offset));
    if (limited_) PassCheck(filled_);
    for (size_t at = 0; at < filled_;) {
      size_t got = 0;
      (void)ReadAt(fd_, buffer_.get() + at, filled_ - at, offset + at, &got);
      at += got;
      const auto skip = std::min<uint64_t>(kSector - (offset + at) % kSector, filled_ - at);
      std::fill_n(buffer_.get() + at, skip, uint8_t{0});
      at += skip;
    }
  }

  const int fd_;
  const uint64_t end_;
  const bool limited_;
  const std::shared_ptr<uint8_t> buffer_;
  uint64_t start_ = 0;
  size_t filled_ = 0;
};

struct Scan {
  int fd;
  const std::string& path;
  bool deep;
  PackContents& contents;
};

// Decodes records by offset, those of chains too.
class RecordDecoder {
 public:
  // A record with a good payload: whether it holds what its header says.
  bool IsRight(const RecordHeader& header, uint64_t offset, const uint8_t* payload) {
    if (header.codec != Codec::kChain) {
      const auto data = TakeBuffer(header.length);
      return DecodePayload(header, payload, data.get()) && IsOf(header, data.get());
    }
    if (header.before == 0) chain_.emplace(offset);
    if (!chain_ || !chain_->Append(header, offset, payload)) return false;
    return IsOf(header, chain_->Find(offset, header.length));
  }

 private:
  static bool IsOf(const RecordHeader& header, const uint8_t* data) {
    return Sha256(data, header.length) == header.hash;
  }

  std::optional<ChainDecoder> chain_;
};

// Whether records that are met by offset have those before them in their chain.
class ChainWalk {
 public:
  // A record with a good payload.
  bool Follows(const RecordHeader& header, uint64_t offset) {
    if (header.codec != Codec::kChain) return true;
    const auto start = offset - header.before;
    if (header.before > 0 && (start != start_ || offset != next_)) return false;
    start_ = start;
    next_ = offset + header.stored();
    return true;
  }

 private:
  uint64_t start_ = 0;
  uint64_t next_ = 0;
};

// The next position from `offset` on where a record may start, or `end`.
uint64_t NextCandidate(Window& window, uint64_t offset, uint64_t end) {
  while (offset < end && end - offset > kRecordHeaderSize) {
    const auto span = window.From(offset, kRecordHeaderSize);
    const auto found = FindRecordMagic(span.data, span.length);
    if (found < span.length) return offset + found;
    offset += span.length - 3;  // A magic may lie across the end of what was searched.
  }
  return end;
}

// Walks the records up to `end`; entries behind the last good one are a torn tail and left out.
void WalkRecords(const Scan& scan, uint64_t end) {
  auto& contents = scan.contents;
  Window window(scan.fd, end, scan.deep);
  RecordDecoder decoder;
  ChainWalk chains;
  const auto seed = contents.identity.Seed();
  size_t good_entries = 0;
  contents.valid_length = kFirstRecord;
  uint64_t offset = kFirstRecord;
  while (offset < end && end - offset > kRecordHeaderSize &&
         contents.entries.size() < kMaxRecords) {
    RecordHeader header;
    if (!DecodeRecordHeader(window.From(offset, kRecordHeaderSize).data, seed, offset, &header)) {
      offset = NextCandidate(window, offset + 1, end);
      continue;
    }
    if (header.stored() > end - offset) break;
    const auto* payload = window.From(offset, header.stored()).data + kRecordHeaderSize;
    const bool intact = PayloadIsGood(header, payload);
    if (!intact || !chains.Follows(header, offset) ||
        (scan.deep && !decoder.IsRight(header, offset, payload))) {
      contents.bad.push_back(static_cast<uint32_t>(contents.entries.size()));
    }
    contents.entries.push_back({header.hash, offset, header.stored(), header.length});
    offset += header.stored();
    if (!intact) continue;
    good_entries = contents.entries.size();
    contents.valid_length = offset;
  }
  contents.entries.resize(good_entries);
  while (!contents.bad.empty() && contents.bad.back() >= good_entries) contents.bad.pop_back();
}

bool IsPlausible(const IndexEntry& entry, uint64_t from, uint64_t to) {
  return entry.offset >= from && entry.offset < to && entry.stored <= to - entry.offset &&
         entry.stored > kRecordHeaderSize && entry.stored <= kRecordHeaderSize + kMaxChunk &&
         entry.length > 0 && entry.length <= kMaxChunk;
}

// False where the pack has no footer, or it or the index is damaged.
bool ReadIndex(const Scan& scan) {
  auto& contents = scan.contents;
  uint8_t bytes[kPackFooterSize];
  size_t got = 0;
  if (contents.file_length < kFirstRecord + kPackFooterSize) return false;
  const auto footer_offset = contents.file_length - kPackFooterSize;
  (void)ReadAt(scan.fd, bytes, sizeof bytes, footer_offset, &got);
  PackFooter footer;
  if (got < sizeof bytes ||
      DecodePackFooter(bytes, contents.file_length, &footer) != HeaderState::kValid ||
      footer.identity.Seed() != contents.identity.Seed() || footer.count > kMaxRecords) {
    return false;
  }
  std::vector<uint8_t> index(footer.count * kIndexEntrySize);
  (void)ReadAt(scan.fd, index.data(), index.size(), footer.index_offset, &got);
  if (got < index.size() || Checksum(index.data(), index.size()) != footer.index_checksum) {
    return false;
  }
  std::vector<IndexEntry> entries;
  uint64_t from = kFirstRecord;
  for (size_t at = 0; at < index.size(); at += kIndexEntrySize) {
    entries.push_back(DecodeIndexEntry(&index[at]));
    if (!IsPlausible(entries.back(), from, footer.index_offset)) return false;
    from = entries.back().offset + entries.back().stored;
  }
  contents.entries = std::move(entries);
  return true;
}

bool RecordIsGood(Window& window, RecordDecoder& decoder, uint64_t seed, const IndexEntry& entry) {
  RecordHeader header;
  const auto span = window.From(entry.offset, entry.stored);
  return DecodeRecordHeader(span.data, seed, entry.offset, &header) && header.hash == entry.hash &&
         header.stored() == entry.stored && header.length == entry.length &&
         PayloadIsGood(header, span.data + kRecordHeaderSize) &&
         decoder.IsRight(header, entry.offset, span.data + kRecordHeaderSize);
}

void CheckEntries(const Scan& scan) {
  auto& contents = scan.contents;
  Window window(scan.fd, contents.file_length, true);
  RecordDecoder decoder;
  const auto seed = contents.identity.Seed();
  for (size_t i = 0; i < contents.entries.size(); i++) {
    if (!RecordIsGood(window, decoder, seed, contents.entries[i])) {
      contents.bad.push_back(static_cast<uint32_t>(i));
    }
  }
}

// A pack that was created just before a power cut: what should be its header is short or zeros.
bool HasNoHeaderYet(int fd, uint64_t file_length) {
  std::vector<uint8_t> start(std::min(file_length, kFirstRecord));
  size_t got = 0;
  if (!ReadAt(fd, start.data(), start.size(), 0, &got).ok()) return false;
  return file_length < kFirstRecord ||
         std::all_of(start.begin(), start.end(), [](uint8_t byte) { return byte == 0; });
}

Status ScanOpen(const Scan& scan) {
  auto& contents = scan.contents;
  struct stat attributes;
  if (fstat(scan.fd, &attributes) != 0) return Status::FromErrno("fstat", scan.path);
  contents.file_length = static_cast<uint64_t>(attributes.st_size);
  auto status = ReadIdentity(scan.fd, contents.file_length, scan.path, &contents.identity);
  if (status.error() == EBADMSG && HasNoHeaderYet(scan.fd, contents.file_length)) {
    return Status::Ok();
  }
  if (!status.ok()) return status;
  // The header's block got to the disk and the rest of the first write did not.
  if (contents.file_length < kFirstRecord) return Status::Ok();
  contents.sealed = ReadIndex(scan);
  if (!contents.sealed) {
    WalkRecords(scan, contents.file_length);
  } else {
    contents.valid_length = contents.file_length;
    if (scan.deep) CheckEntries(scan);
  }
  return Status::Ok();
}

// Writes both headers anew: one of them may be what was damaged.
Status Reseal(int fd, const PackContents& contents, uint64_t end,
              const std::vector<IndexEntry>& entries) {
  if (ftruncate(fd, static_cast<off_t>(end)) != 0) return Status::FromErrno("ftruncate");
  uint8_t header[kPackHeaderSize];
  EncodePackHeader(contents.identity, header);
  for (const auto offset : {uint64_t{0}, kPackHeaderCopy}) {
    auto status = WriteAt(fd, {{header, sizeof header}}, offset);
    if (!status.ok()) return status;
  }
  if (fdatasync(fd) != 0) return Status::FromErrno("fdatasync");
  auto tail = IndexAndFooter(contents.identity, end, entries);
  auto status = WriteAt(fd, {{tail.data(), tail.size()}}, end);
  if (!status.ok()) return status;
  return fdatasync(fd) == 0 ? Status::Ok() : Status::FromErrno("fdatasync");
}

}  // namespace

Status ScanPack(const std::string& path, bool deep, PackContents* contents) {
  UniqueFd fd;
  auto status = io::OpenRegular(path, O_RDONLY, &fd);
  if (!status.ok()) return status;
  if (deep) posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  return ScanOpen({fd.get(), path, deep, *contents});
}

Status RepairPack(const std::string& path, uint64_t valid_length, uint64_t* length) {
  *length = 0;
  UniqueFd fd;
  auto status = io::OpenRegular(path, O_RDWR, &fd);
  if (!status.ok()) return status;
  PackContents contents;
  status = ScanOpen({fd.get(), path, false, contents});
  if (!status.ok()) return status;
  // What was there a moment ago may be there again.
  if (contents.valid_length < valid_length) return Status::Error(EBADMSG, "repair", path);
  if (contents.valid_length == 0) return status;
  // It may be from before the last records: what is to be there gets one of its own.
  unlink(ParityPath(path).c_str());
  if (contents.sealed) {
    *length = contents.file_length;
    return Status::Ok();
  }
  std::vector<IndexEntry> entries;
  uint64_t end = kFirstRecord;
  size_t bad = 0;
  for (size_t i = 0; i < contents.entries.size(); i++) {
    const bool is_bad = bad < contents.bad.size() && contents.bad[bad] == i;
    const auto& entry = contents.entries[i];
    bad += is_bad ? 1 : 0;
    if (entry.offset + entry.stored > valid_length) break;
    // What is bad now may be read another time.
    end = entry.offset + entry.stored;
    if (!is_bad) entries.push_back(entry);
  }
  status = Reseal(fd.get(), contents, end, entries);
  if (!status.ok()) return Status::Error(status.error(), status.syscall(), path);
  *length = end + entries.size() * kIndexEntrySize + kPackFooterSize;
  return Status::Ok();
}

}  // namespace coral
