#include "content/file_copies.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <cerrno>

#include "content/parallel.h"
#include "io/copy_buffer.h"
#include "io/copy_rate.h"
#include "io/copy_writeback.h"
#include "io/files.h"

namespace coral {

namespace {

// Syncs that wait at the same time share what the medium does for them.
constexpr unsigned kSyncHelpers = 3;

Status Label(int fd, const std::string& name, const std::string& value) {
  if (fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) return Status::Ok();
  // Some media have none, or no room for one; the file is as good without.
  if (errno == EOPNOTSUPP || errno == ENOSPC) return Status::Ok();
  return Status::FromErrno("fsetxattr");
}

Status WriteCopy(const FileGroup& group, const std::string& label_name, FileCopy& copy) {
  const auto& file = group.files()[copy.file];
  // Reading it back must not count as an access.
  auto status =
      io::Open(copy.path, O_RDWR | O_CREAT | O_TRUNC | O_NOATIME | O_NOFOLLOW, 0600, &copy.fd);
  if (!status.ok()) return status;
  const int fd = copy.fd.get();
  status = io::WriteFully(fd, reinterpret_cast<const char*>(group.bytes(file)), file.length, 0);
  if (status.ok()) status = Label(fd, label_name, copy.label);
  if (!status.ok()) return status;
  if (futimens(fd, copy.times) != 0) return Status::FromErrno("futimens");
  // The medium gets all of them, to put in order, before anything waits for it.
  return StartWriting(fd, 0, file.length);
}

// What the medium has, after DropPages.
Status ReadBack(const FileGroup& group, const FileCopy& copy) {
  const auto& file = group.files()[copy.file];
  const auto buffer = TakeBuffer(file.length + 1);
  size_t got = 0;
  const auto status =
      io::ReadFully(copy.fd.get(), reinterpret_cast<char*>(buffer.get()), file.length + 1, 0, &got);
  if (!status.ok()) return status;
  FileDigest digest;
  digest.Update(buffer.get(), got);
  return got == file.length && digest.Finish() == file.digest ? Status::Ok()
                                                              : Status::Error(EIO, "read back");
}

Status Finish(const FileGroup& group, CopyControl& control, FileCopy& copy) {
  if (control.cancelled()) return Status::Error(ECANCELED, "copy");
  auto status = io::Sync(copy.fd.get(), false);
  if (status.ok()) status = PassBackground(group.files()[copy.file].length, &control);
  if (status.ok()) status = ReadBack(group, copy);
  if (!status.ok()) return status;
  struct stat attributes;
  if (fstat(copy.fd.get(), &attributes) != 0) return Status::FromErrno("fstat");
  copy.blocks = static_cast<uint64_t>(attributes.st_blocks);
  return status;
}

}  // namespace

Status WriteCopies(const FileGroup& group, const std::string& label_name, CopyControl& control,
                   std::vector<FileCopy>& copies) {
  for (auto& copy : copies) {
    if (control.cancelled()) return Status::Error(ECANCELED, "copy");
    copy.error = WriteCopy(group, label_name, copy).error();
  }
  // When the data of all are written, the first sync has what filesystems keep of all of them to
  // commit, and the others find that done.
  for (auto& copy : copies) {
    if (control.cancelled()) break;
    if (copy.error == 0)
      copy.error = DropPages(copy.fd.get(), 0, group.files()[copy.file].length).error();
  }
  ParallelFor(CopyPool(), kSyncHelpers, copies.size(), [&](size_t i) {
    auto& copy = copies[i];
    if (copy.error == 0) copy.error = Finish(group, control, copy).error();
    copy.fd.reset();
  });
  return control.cancelled() ? Status::Error(ECANCELED, "copy") : Status::Ok();
}

}  // namespace coral
