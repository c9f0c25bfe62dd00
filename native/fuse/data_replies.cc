#include "fuse/data_replies.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <cstring>

namespace coral::fuse {

namespace {

// Reads larger than this are not worth a look into the page cache first.
constexpr size_t kCacheLook = 256 * 1024;

// Each time that a READ meets damaged data another chunk may be to blame.
constexpr unsigned kMostRetries = 64;

// Reads until `size` or the end of the file, starting after `*done`. Returns 0 or an errno; with
// RWF_NOWAIT that is EAGAIN (or EOPNOTSUPP) where the rest is not in the page cache.
int ReadFully(int fd, char* into, size_t size, uint64_t offset, int flags, size_t* done) {
  while (*done < size) {
    const iovec part{into + *done, size - *done};
    const ssize_t got = preadv2(fd, &part, 1, static_cast<off_t>(offset + *done), flags);
    if (got == 0) return 0;
    if (got > 0) {
      *done += static_cast<size_t>(got);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// Writes all of it. Returns 0 or the errno that stopped it; `*done` counts what was written.
int WriteFully(int fd, const char* from, size_t size, uint64_t offset, int flags, size_t* done) {
  while (*done < size) {
    const iovec part{const_cast<char*>(from) + *done, size - *done};
    const ssize_t put = pwritev2(fd, &part, 1, static_cast<off_t>(offset + *done), flags);
    if (put > 0) {
      *done += static_cast<size_t>(put);
    } else if (put == 0) {
      return EIO;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// The program's O_SYNC and O_DSYNC reach us with each write only; the kernel does not sync after
// it.
int SyncFlags(const WriteIn& write) {
  if ((write.flags & O_SYNC) == O_SYNC) return RWF_SYNC;
  return (write.flags & O_DSYNC) != 0 ? RWF_DSYNC : 0;
}

size_t TotalLength(const std::vector<iovec>& spans) {
  size_t total = 0;
  for (const auto& span : spans) total += span.iov_len;
  return total;
}

std::vector<char> Assemble(const std::vector<iovec>& spans) {
  std::vector<char> whole;
  whole.reserve(TotalLength(spans));
  for (const auto& span : spans) {
    const auto* data = static_cast<const char*>(span.iov_base);
    whole.insert(whole.end(), data, data + span.iov_len);
  }
  return whole;
}

}  // namespace

bool DataReplies::AnswerAtOnce(const Request& request, const Served& served) const {
  if (!served.packed) return false;
  if (request.header().opcode == kLseek) {
    Seek(request, *served.packed);
    return true;
  }
  if (request.header().opcode != kRead) return false;
  const auto& read = request.read();
  ReadResult result;
  if (!served.packed->ReadAtOnce(read.offset, read.size, &result)) return false;
  Send(request, result);
  return true;
}

bool DataReplies::AnswerFromCache(const Request& request, const Served& served,
                                  size_t* done) const {
  if (request.header().opcode != kRead || !served.plain.valid()) return false;
  const auto& read = request.read();
  if (read.size > kCacheLook) return false;
  const int fd = served.plain.get();
  if (ReadFully(fd, request.read_space(), read.size, read.offset, RWF_NOWAIT, done) != 0) {
    return false;
  }
  device_.Reply(request.header().unique, request.read_space(), *done);
  return true;
}

void DataReplies::Answer(Request& request, const Served& served, size_t done) const {
  if (request.header().opcode == kWrite) return Write(request, served);
  if (request.header().opcode == kLseek) return Seek(request, *served.packed);
  if (served.packed) return ReadPacked(request, *served.packed);
  ReadPlain(request, served.plain.get(), done);
}

// A packed file has no holes.
void DataReplies::Seek(const Request& request, const DataSource& source) const {
  const auto& seek = request.lseek();
  const auto unique = request.header().unique;
  if (seek.whence != SEEK_DATA && seek.whence != SEEK_HOLE) {
    return device_.ReplyError(unique, EINVAL);
  }
  if (seek.offset >= source.size()) return device_.ReplyError(unique, ENXIO);
  const LseekOut out{seek.whence == SEEK_DATA ? seek.offset : source.size()};
  device_.Reply(unique, &out, sizeof(out));
}

void DataReplies::ReadPlain(const Request& request, int fd, size_t done) const {
  const auto& read = request.read();
  const auto unique = request.header().unique;
  char* space = request.read_space();
  // The kernel asks for more than buffers hold only where INIT allowed it. A short reply would be
  // taken for the end of the file, so the rest must come too.
  std::vector<char> large;
  if (read.size > kMaxTransfer) {
    large.resize(read.size);
    space = large.data();
    done = 0;
  }
  const int failed = ReadFully(fd, space, read.size, read.offset, 0, &done);
  if (failed != 0) return device_.ReplyError(unique, failed);
  device_.Reply(unique, space, done);
}

void DataReplies::ReadPacked(Request& request, DataSource& source) const {
  const auto& read = request.read();
  const auto unique = request.header().unique;
  ReadResult result;
  Damage damage;
  const Status status = source.Read(read.offset, read.size, &result, &damage);
  if (damage.any && request.retries < kMostRetries) {
    return damaged_.Put(std::move(request), std::move(damage));
  }
  if (!status.ok()) return device_.ReplyError(unique, status.error());
  Send(request, result);
}

void DataReplies::Send(const Request& request, const ReadResult& result) const {
  const auto unique = request.header().unique;
  if (TotalLength(result.spans) > request.read().size) return device_.ReplyError(unique, EIO);
  if (result.spans.size() < IOV_MAX) return device_.Reply(unique, result.spans);
  const auto whole = Assemble(result.spans);
  device_.Reply(unique, whole.data(), whole.size());
}

void DataReplies::Write(const Request& request, const Served& served) const {
  const auto& write = request.write();
  const auto unique = request.header().unique;
  // A packed file is hydrated before it is opened for writing: a write here is a fault of ours.
  if (!served.plain.valid()) return device_.ReplyError(unique, EIO);
  size_t done = 0;
  const int failed = WriteFully(served.plain.get(), request.write_data(), write.size, write.offset,
                                SyncFlags(write), &done);
  if (failed != 0 && (done == 0 || failed == EIO)) return device_.ReplyError(unique, failed);
  const WriteOut out{static_cast<uint32_t>(done), 0};
  device_.Reply(unique, &out, sizeof(out));
}

}  // namespace coral::fuse
