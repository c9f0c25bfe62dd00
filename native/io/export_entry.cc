#include "io/export_entry.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "io/copy_buffer.h"
#include "io/copy_bytes.h"
#include "io/copy_extents.h"
#include "io/files.h"
#include "io/new_file.h"
#include "io/unique_fd.h"

namespace coral {

namespace {

// Stays in the cache of a CPU between read and write: with 1 MiB copying took twice the CPU time.
constexpr size_t kStep = 256 << 10;
constexpr uint64_t kLarge = 1 << 20;
// Zeros that are worth a hole: shorter ones would cost more in extents than they save.
constexpr size_t kHole = 64 << 10;

struct FileCopy {
  int in;
  int out;
  uint64_t size;  // Of the source when it was opened. It may grow: what is read is copied.
  bool sparse;    // It has holes, or is packed and may have.
  const ExportHow& how;
  CopyControl& control;
  ExportResult& result;
  uint64_t position = 0;
  uint64_t written_end = 0;
};

bool Fails(ExportResult& result, ExportStep step, Status status) {
  if (status.ok()) return false;
  result.status = std::move(status);
  result.step = step;
  return true;
}

bool IsZero(const uint8_t* data, size_t length) { return memcmp(data, ZeroBlock(), length) == 0; }

Status WriteSpan(FileCopy& copy, uint8_t* data, size_t length, uint64_t offset) {
  const auto status = WriteAt(copy.out, {{data, length}}, offset);
  if (status.ok()) copy.written_end = offset + length;
  return status;
}

// Leaves out runs of zeros.
Status WriteSparse(FileCopy& copy, uint8_t* data, size_t length) {
  size_t from = 0;
  for (size_t at = 0; at < length; at += kHole) {
    const size_t part = std::min(kHole, length - at);
    if (!IsZero(data + at, part)) continue;
    if (at > from) {
      const auto status = WriteSpan(copy, data + from, at - from, copy.position + from);
      if (!status.ok()) return status;
    }
    from = at + part;
  }
  if (from == length) return Status::Ok();
  return WriteSpan(copy, data + from, length - from, copy.position + from);
}

Status Write(FileCopy& copy, uint8_t* data, size_t length) {
  return copy.sparse ? WriteSparse(copy, data, length)
                     : WriteSpan(copy, data, length, copy.position);
}

// One read: a file that grows or shrinks meanwhile ends where it ends then.
Status ReadSome(const FileCopy& copy, uint8_t* buffer, size_t want, size_t* got) {
  if (copy.control.cancelled()) return Status::Error(ECANCELED, "export");
  for (;;) {
    const ssize_t count = pread(copy.in, buffer, want, static_cast<off_t>(copy.position));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Status::FromErrno("pread");
    *got = static_cast<size_t>(count);
    return Status::Ok();
  }
}

// Up to `end`. `*ended`: the file ends here.
bool CopySpan(FileCopy& copy, uint64_t end, uint8_t* buffer, bool* ended) {
  while (copy.position < end && !*ended) {
    const auto want = std::min<uint64_t>(kStep, end - copy.position);
    size_t got = 0;
    if (Fails(copy.result, ExportStep::kRead, ReadSome(copy, buffer, want, &got)) ||
        Fails(copy.result, ExportStep::kWrite, Write(copy, buffer, got))) {
      return false;
    }
    copy.position += got;
    copy.control.Add(got);
    // Spares small files a second read that gets nothing.
    *ended = got == 0 || (got < want && copy.position >= copy.size);
  }
  return true;
}

// The part of the file whose length is known, hole by hole.
bool CopyExtents(FileCopy& copy, uint8_t* buffer, bool* ended) {
  while (copy.position < copy.size && !*ended) {
    Extent extent;
    const auto status = ExtentAt(copy.in, copy.position, copy.size, &extent);
    if (Fails(copy.result, ExportStep::kRead, status)) return false;
    const uint64_t end = extent.offset + extent.length;
    if (!extent.hole) {
      if (!CopySpan(copy, end, buffer, ended)) return false;
      continue;
    }
    copy.control.Add(extent.length);
    copy.position = end;
  }
  return true;
}

bool CopyData(FileCopy& copy) {
  const auto buffer = TakeBuffer(kStep);
  bool ended = false;
  if (copy.size >= kLarge) posix_fadvise(copy.in, 0, 0, POSIX_FADV_SEQUENTIAL);
  // Of a small file asking for holes would cost more than reading them.
  if (copy.size >= kLarge && copy.sparse && !CopyExtents(copy, buffer.get(), &ended)) return false;
  if (!CopySpan(copy, UINT64_MAX, buffer.get(), &ended)) return false;
  copy.result.bytes = copy.position;
  if (copy.written_end == copy.position) return true;
  const int set = ftruncate(copy.out, static_cast<off_t>(copy.position));
  return !Fails(copy.result, ExportStep::kWrite,
                set == 0 ? Status::Ok() : Status::FromErrno("ftruncate"));
}

// O_NOATIME is for who owns the file.
Status OpenSource(const std::string& path, UniqueFd* fd) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  fd->reset(open(path.c_str(), kFlags | O_NOATIME));
  if (!fd->valid() && errno == EPERM) fd->reset(open(path.c_str(), kFlags));
  return fd->valid() ? Status::Ok() : Status::FromErrno("open");
}

Status StatOf(int fd, struct stat* attributes) {
  return fstat(fd, attributes) == 0 ? Status::Ok() : Status::FromErrno("fstat");
}

Status StatOf(const std::string& path, struct stat* attributes) {
  return lstat(path.c_str(), attributes) == 0 ? Status::Ok() : Status::FromErrno("lstat");
}

// A length that is set before the data is durable looks whole after a power cut.
Status Settle(const FileCopy& copy) {
  if (!copy.how.flush && copy.written_end == copy.position) return Status::Ok();
  return io::Sync(copy.out, true);
}

void ExportFile(const ExportEntry& entry, const ExportHow& how, CopyControl& control,
                ExportResult& result) {
  constexpr auto kRead = ExportStep::kRead;
  constexpr auto kWrite = ExportStep::kWrite;
  UniqueFd in;
  struct stat original;
  if (Fails(result, kRead, OpenSource(entry.source, &in))) return;
  if (Fails(result, kRead, StatOf(in.get(), &original))) return;
  if (!S_ISREG(original.st_mode)) {
    Fails(result, kRead, Status::Error(ESTALE, "open"));
    return;
  }
  NewFile out;
  struct stat created;
  if (Fails(result, kWrite, out.Create(entry.target, original.st_mode))) return;
  if (Fails(result, kWrite, StatOf(out.fd(), &created))) return;
  const auto size = static_cast<uint64_t>(original.st_size);
  const bool sparse = static_cast<uint64_t>(original.st_blocks) * 512 < size;
  FileCopy copy{in.get(), out.fd(), size, sparse, how, control, result};
  if (!CopyData(copy) || Fails(result, kWrite, Settle(copy))) return;
  if (Fails(result, kWrite,
            KeepAttributes({in.get(), {}, how.xattrs}, original, {out.fd()}, created,
                           &result.kept))) {
    return;
  }
  Fails(result, kWrite, out.Publish());
}

Status CopyLink(const ExportEntry& entry) {
  char text[PATH_MAX];
  const ssize_t length = readlink(entry.source.c_str(), text, sizeof(text) - 1);
  if (length < 0) return Status::FromErrno("readlink");
  text[length] = '\0';
  return symlink(text, entry.target.c_str()) == 0 ? Status::Ok() : Status::FromErrno("symlink");
}

// There is no data that could be half there; without its attributes it is taken away again.
void ExportNode(const ExportEntry& entry, const ExportHow& how, ExportResult& result) {
  struct stat original;
  struct stat created;
  if (Fails(result, ExportStep::kRead, StatOf(entry.source, &original))) return;
  Status made = Status::Ok();
  if (S_ISLNK(original.st_mode)) {
    made = CopyLink(entry);
  } else if (mknod(entry.target.c_str(), (original.st_mode & S_IFMT) | 0600, original.st_rdev) !=
             0) {
    made = Status::FromErrno("mknod");
  }
  if (Fails(result, ExportStep::kWrite, std::move(made))) return;
  if (Fails(result, ExportStep::kWrite, StatOf(entry.target, &created)) ||
      Fails(result, ExportStep::kWrite,
            KeepAttributes({-1, entry.source, how.xattrs}, original, {-1, entry.target}, created,
                           &result.kept))) {
    unlink(entry.target.c_str());
  }
}

bool IsAsListed(const ExportEntry& entry, const struct stat& found) {
  return found.st_mode == entry.mode && found.st_uid == entry.uid && found.st_gid == entry.gid;
}

}  // namespace

ExportResult ExportOne(const ExportEntry& entry, const ExportHow& how, CopyControl& control) {
  ExportResult result;
  if (control.cancelled()) {
    result.status = Status::Error(ECANCELED, "export");
  } else if (S_ISREG(entry.mode)) {
    ExportFile(entry, how, control, result);
  } else {
    ExportNode(entry, how, result);
  }
  return result;
}

ExportResult ExportDirectoryAttributes(const ExportEntry& entry, const ExportHow& how) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  ExportResult result;
  struct stat original;
  struct stat created;
  const UniqueFd from(open(entry.source.c_str(), kFlags));
  auto opened = from.valid() ? StatOf(from.get(), &original) : Status::FromErrno("open");
  if (opened.ok() && !IsAsListed(entry, original)) opened = Status::Error(ESTALE, "open");
  if (Fails(result, ExportStep::kRead, opened)) return result;
  const UniqueFd to(open(entry.target.c_str(), kFlags));
  const auto found = to.valid() ? StatOf(to.get(), &created) : Status::FromErrno("open");
  if (Fails(result, ExportStep::kWrite, found)) return result;
  if (Fails(result, ExportStep::kWrite,
            KeepAttributes({from.get(), {}, how.xattrs}, original, {to.get()}, created,
                           &result.kept))) {
    return result;
  }
  if (how.flush) Fails(result, ExportStep::kWrite, io::Sync(to.get(), false));
  return result;
}

}  // namespace coral
