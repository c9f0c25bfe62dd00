// Copies one entry of a tree that is mounted to another place: a file, symbolic link, FIFO, socket
// or device, with its attributes. It appears under its name when it is whole, and nothing is
// replaced.
#pragma once

#include <sys/stat.h>

#include <string>

#include "io/copy_control.h"
#include "io/keep_attributes.h"
#include "io/status.h"

namespace coral {

struct ExportEntry {
  std::string source;
  std::string target;
  mode_t mode = 0;  // Of the source as its directory was listed; of a file the type alone.
  uid_t uid = 0;    // Of a directory.
  gid_t gid = 0;
};

enum class ExportStep { kRead, kWrite };

struct ExportResult {
  Status status = Status::Ok();
  ExportStep step = ExportStep::kRead;  // Which side failed.
  uint64_t bytes = 0;
  KeptAttributes kept;
};

struct ExportHow {
  bool xattrs = true;  // False where it is known that no source has any.
  bool flush = false;  // Each is made durable: the target's filesystem can't be synced as a whole.
};

// ECANCELED, and nothing is left, where `control` is cancelled. EEXIST where the target exists.
ExportResult ExportOne(const ExportEntry& entry, const ExportHow& how, CopyControl& control);

// Gives an existing directory the attributes of the source. ESTALE where it has another mode or
// owner than the one that was listed: somebody put another one there, which may be open to all.
ExportResult ExportDirectoryAttributes(const ExportEntry& entry, const ExportHow& how);

}  // namespace coral
