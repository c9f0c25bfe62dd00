// System calls on files as one call each: interrupted calls are repeated, partial ones completed.
// Any thread. Offsets and lengths are bytes.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "io/status.h"
#include "io/unique_fd.h"

namespace coral::io {

Status Open(const std::string& path, int flags, unsigned mode, UniqueFd* fd);
// For files that anybody with access to a tier may have put there: a FIFO would have whoever opens
// it wait for ever. EIO for anything but a regular file.
Status OpenRegular(const std::string& path, int flags, UniqueFd* fd);
Status Sync(int fd, bool data_only);
Status SyncDirectory(const std::string& path);
Status SyncFilesystem(const std::string& path);
Status Truncate(int fd, int64_t size);
Status Allocate(int fd, int mode, int64_t offset, int64_t length);
// Reads until `length` or the end of the file; `*done` is what was read.
Status ReadFully(int fd, char* into, size_t length, int64_t offset, size_t* done);
Status WriteFully(int fd, const char* from, size_t length, int64_t offset);
// Copies until `length` or the end of the input; shares blocks where the filesystem can.
Status CopyRange(int in, int64_t in_offset, int out, int64_t out_offset, int64_t length,
                 int64_t* copied);
// *value stays empty and *present false where there is no such attribute.
Status GetXattr(const std::string& path, const std::string& name, bool* present,
                std::string* value);

}  // namespace coral::io
