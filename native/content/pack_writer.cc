#include "content/pack_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_writeback.h"

namespace coral {

namespace {

// Bytes that are left dirty. Writing the last page of each few again costs little.
constexpr uint64_t kWriteback = 8 << 20;

Status SyncDirectoryOf(const std::string& path) {
  const auto slash = path.rfind('/');
  const auto directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return Status::FromErrno("open", directory);
  return fsync(fd.get()) == 0 ? Status::Ok() : Status::FromErrno("fsync", directory);
}

Status WithPath(const Status& status, const std::string& path) {
  return status.ok() ? status : Status::Error(status.error(), status.syscall(), path);
}

// EIO is about the pack that is written: whoever gets it gives that one up.
Status OfSource(const Status& status, const std::string& path) {
  return Status::Error(status.error() == EIO ? EBADMSG : status.error(), status.syscall(), path);
}

iovec Part(const void* data, size_t length) { return {const_cast<void*>(data), length}; }

}  // namespace

std::vector<uint8_t> IndexAndFooter(const PackIdentity& identity, uint64_t offset,
                                    const std::vector<IndexEntry>& entries) {
  std::vector<uint8_t> tail(entries.size() * kIndexEntrySize + kPackFooterSize);
  for (size_t i = 0; i < entries.size(); i++) {
    EncodeIndexEntry(entries[i], &tail[i * kIndexEntrySize]);
  }
  const auto index_length = tail.size() - kPackFooterSize;
  EncodePackFooter({identity, static_cast<uint32_t>(entries.size()), offset,
                    Checksum(tail.data(), index_length)},
                   &tail[index_length]);
  return tail;
}

Status PackWriter::Create(const std::string& path, const PackIdentity& identity,
                          std::shared_ptr<PackWriter>* writer) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return Status::FromErrno("open", path);
  std::vector<uint8_t> start(kFirstRecord);
  EncodePackHeader(identity, start.data());
  EncodePackHeader(identity, start.data() + kPackHeaderCopy);
  auto status = WriteAt(fd.get(), {Part(start.data(), start.size())}, 0);
  if (!status.ok()) {
    unlink(path.c_str());
    return WithPath(status, path);
  }
  *writer = std::make_shared<PackWriter>(std::move(fd), path, identity);
  (*writer)->parity_.Add(0, start.data(), start.size());
  return Status::Ok();
}

PackWriter::PackWriter(UniqueFd fd, std::string path, const PackIdentity& identity)
    : fd_(std::move(fd)), path_(std::move(path)), identity_(identity), seed_(identity.Seed()) {}

Status PackWriter::CheckUsable() const {
  if (broken_) return Status::Error(EIO, "append", path_);
  if (sealed_) return Status::Error(EROFS, "append", path_);
  return Status::Ok();
}

Status PackWriter::Append(const std::vector<EncodedChunk>& chunks, Appended* appended) {
  auto status = CheckUsable();
  return status.ok() ? Write(chunks, appended) : status;
}

// Writes all or nothing.
Status PackWriter::Write(const std::vector<EncodedChunk>& chunks, Appended* appended) {
  if (chunks.size() > kMaxRecords - entries_.size()) {
    return Status::Error(EFBIG, "append", path_);
  }
  const uint64_t start = size_;
  uint64_t end = start;
  std::vector<RecordHeaderBytes> headers(chunks.size());
  std::vector<iovec> parts;
  std::vector<IndexEntry> entries;
  for (size_t i = 0; i < chunks.size(); i++) {
    const auto& header = chunks[i].header;
    EncodeRecordHeader(header, seed_, end, headers[i].data());
    parts.push_back(Part(headers[i].data(), headers[i].size()));
    parts.push_back(Part(chunks[i].payload, header.payload));
    entries.push_back({header.hash, end, header.stored(), header.length});
    end += header.stored();
  }
  auto status = WriteAt(fd_.get(), std::move(parts), start);
  if (!status.ok()) {
    RollBack(start, entries_.size());
    return WithPath(status, path_);
  }
  for (size_t i = 0; i < chunks.size(); i++) {
    const auto at = entries[i].offset;
    parity_.Add(at, headers[i].data(), headers[i].size());
    parity_.Add(at + headers[i].size(), chunks[i].payload, chunks[i].header.payload);
  }
  for (const auto& entry : entries) {
    appended->offsets.push_back(entry.offset);
    appended->stored.push_back(entry.stored);
  }
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  size_ = end;
  BeginWriteback();
  return Status::Ok();
}

// The medium works while the next records are made, and the sync waits for less. What fails here
// the sync reports.
void PackWriter::BeginWriteback() {
  if (size_ < written_) written_ = size_;
  if (size_ - written_ < kWriteback) return;
  static_cast<void>(StartWriting(fd_.get(), written_, size_ - written_));
  written_ = size_;
}

void PackWriter::RollBack(uint64_t size, size_t entries) {
  entries_.resize(entries);
  size_ = size;
  // What stays behind the end would be taken for records by a scan; a file that can't be cut is
  // done.
  if (ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) broken_ = true;
}

Status PackWriter::CopyRecords(const std::string& source_path, uint64_t source_id,
                               const RecordPlaces& records, CopyControl& control,
                               Appended* appended) {
  auto status = CheckUsable();
  if (!status.ok()) return status;
  std::shared_ptr<PackFile> source;
  status = PackFile::Open(source_path, &source);
  if (!status.ok()) return OfSource(status, source_path);
  uint64_t seed = 0;
  status = source->Seed(&seed);
  if (!status.ok()) return OfSource(status, source_path);
  if (seed != PackIdentity{source_id, identity_.volume_id}.Seed()) {
    return Status::Error(EBADMSG, "pack identity", source_path);
  }
  const uint64_t size = size_;
  const size_t entries = entries_.size();
  RecordCopy copy(*source, seed, records, control);
  std::vector<EncodedChunk> chunks;
  for (;;) {
    chunks.clear();
    status = copy.Next(&chunks);
    if (status.ok() && chunks.empty()) return status;
    if (status.ok()) status = Write(chunks, appended);
    if (!status.ok()) {
      parity_whole_ = parity_whole_ && size_ == size;
      RollBack(size, entries);
      return status;
    }
  }
}

Status PackWriter::Sync() {
  std::lock_guard lock(sync_mutex_);
  if (broken_) return Status::Error(EIO, "fdatasync", path_);
  Status status = Status::Ok();
  if (fdatasync(fd_.get()) != 0) status = Status::FromErrno("fdatasync", path_);
  if (status.ok() && !linked_) {
    status = SyncDirectoryOf(path_);
    linked_ = status.ok();
  }
  if (!status.ok()) broken_ = true;
  return status;
}

Status PackWriter::Seal() {
  auto status = CheckUsable();
  if (!status.ok()) return status;
  // First the records: the footer must not outlive, over a power cut, what it vouches for.
  status = Sync();
  if (!status.ok()) return status;
  const auto tail = IndexAndFooter(identity_, size_, entries_);
  status = WriteAt(fd_.get(), {Part(tail.data(), tail.size())}, size_);
  if (!status.ok()) {
    // No room for the index leaves a pack that a later attempt can seal.
    RollBack(size_, entries_.size());
    return WithPath(status, path_);
  }
  status = Sync();
  if (!status.ok()) return status;
  parity_.Add(size_, tail.data(), tail.size());
  size_ += tail.size();
  sealed_ = true;
  // Where it fails, for want of space, it is made later: no older one must seem to be it.
  if (!parity_whole_ || !WriteParity().ok()) unlink(ParityPath(path_).c_str());
  return Status::Ok();
}

Status PackWriter::WriteParity() const {
  return parity_whole_ ? parity_.Write(path_, identity_, size_) : Status::Ok();
}

}  // namespace coral
